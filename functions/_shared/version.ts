/** Of the package, whose package.json has it; a test holds the two together. */
export const version = '0.1.0';

/** What brings a database to it. The command line says it as it was called. */
export const migrate = 'npm run nightshift -- migrate --database-url ...';
