import { Logger } from '@aws-lambda-powertools/logger';

/** Structured logging. Fields hold names, counts and codes, never a secret or the contents of a row. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export function createLog(job: string): Log {
  const logger = new Logger({ serviceName: job });
  return {
    info: (message, fields = {}) => logger.info(message, fields),
    warn: (message, fields = {}) => logger.warn(message, fields),
    error: (message, fields = {}) => logger.error(message, fields),
  };
}

export const silentLog: Log = { info() {}, warn() {}, error() {} };
