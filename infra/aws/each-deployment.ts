/** As much of osls as is needed here. */
interface Serverless {
  service: { functions: Record<string, Record<string, unknown>> };
}

interface Options {
  /** Given to `osls deploy function`. */
  function?: string;
  force?: boolean;
}

/** A plugin of osls: after each full deployment, what runs is what the sources say, whatever was deployed in between. */
export default class EachDeployment {
  readonly hooks: Record<string, () => void>;

  constructor({ service }: Serverless, options: Options) {
    this.hooks = {
      // osls compares with what was uploaded last. What runs may be something else: a function was deployed alone since, or
      // CloudFormation took the last deployment back. With each upload the template names other files, so that CloudFormation
      // sees a change in every function.
      'before:aws:deploy:deploy:checkForChanges': () => {
        options.force = true;
      },
      // CloudFormation brings back what its template changes, and that is the code: a timeout that was set past it would stay.
      'before:deploy:function:deploy': () => {
        const definition = service.functions[options.function ?? ''] ?? {};
        for (const setting of ['description', 'handler', 'memorySize', 'timeout']) {
          delete definition[setting];
        }
      },
    };
  }
}
