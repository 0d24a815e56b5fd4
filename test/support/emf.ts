/** One line of CloudWatch's embedded metric format. */
export interface EmfLine {
  _aws: {
    Timestamp: number;
    CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
  [member: string]: unknown;
}

export function emfLinesOf(lines: string[]): EmfLine[] {
  return lines.filter((line) => line.includes('"_aws"')).map((line) => JSON.parse(line) as EmfLine);
}

export function namesIn(line: EmfLine): string[] {
  return line._aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics.map(({ Name }) => Name));
}

export function valuesIn(line: EmfLine): Record<string, unknown> {
  return Object.fromEntries(namesIn(line).map((name) => [name, line[name]]));
}
