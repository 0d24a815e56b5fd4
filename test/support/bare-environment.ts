const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;

/** For a process that must see no setting of whoever runs the tests. */
export const bareEnvironment = { PATH, NODE_COMPILE_CACHE, NO_COLOR: '1' };
