import { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec';
import type { PropertyType, ResourceProperties } from '@aws-cdk/service-spec-types';
import type { Resource, Template } from './template.ts';

const spec = await loadAwsServiceSpec();

type Json = null | string | number | boolean | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function specOf(type: string) {
  return spec.lookup('resource', 'cloudFormationType', 'equals', type)[0];
}

/** What CloudFormation would refuse, by the published specification of its resources, or find nothing behind. */
export function problemsOf(template: Template): string[] {
  const problems = [...danglingReferences(template), ...circles(template)];
  for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources)) {
    const resource = specOf(Type);
    if (resource) problems.push(...problemsOfObject(Properties, resource.properties, id));
    else problems.push(`${id}: there is no ${Type}`);
  }
  return problems;
}

function problemsOfObject(value: Json, known: ResourceProperties, path: string): string[] {
  if (!isObject(value)) return [`${path}: is no object`];
  const missing = Object.entries(known)
    .filter(([name, { required }]) => required && !(name in value))
    .map(([name]) => `${path}: lacks ${name}`);
  const wrong = Object.entries(value).flatMap(([name, each]) => {
    const property = known[name];
    if (!property) return [`${path}: there is no ${name}`];
    return problemsOfEither(each, [property.type, ...(property.previousTypes ?? [])], path, name);
  });
  return [...missing, ...wrong];
}

/** Those of the type that fits best, so that the message is about what was meant. */
function problemsOfEither(value: Json, types: PropertyType[], path: string, name: string) {
  const all = types.map((type) => problemsOfValue(value, type, `${path}.${name}`));
  return all.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function problemsOfValue(value: Json, type: PropertyType, path: string): string[] {
  const branches = branchesOf(value);
  if (branches) return branches.flatMap((branch) => problemsOfValue(branch, type, path));
  if (isIntrinsic(value)) return [];
  switch (type.type) {
    case 'json':
      return [];
    case 'ref':
      return problemsOfObject(value, spec.get('typeDefinition', type.reference).properties, path);
    case 'array':
      if (!Array.isArray(value)) return [`${path}: is no list`];
      return value.flatMap((each, n) => problemsOfValue(each, type.element, `${path}[${n}]`));
    case 'map':
      if (!isObject(value)) return [`${path}: is no map`];
      return Object.entries(value).flatMap(([key, each]) =>
        problemsOfValue(each, type.element, `${path}.${key}`),
      );
    case 'tag':
      return isObject(value) && 'Key' in value && 'Value' in value ? [] : [`${path}: is no tag`];
    case 'union':
      return problemsOfEither(value, type.types, path, '|');
    default:
      return fits(value, type) ? [] : [`${path}: ${JSON.stringify(value)} is no ${type.type}`];
  }
}

/** CloudFormation takes numbers and booleans as text, too, which parameters are. */
function fits(value: Json, type: PropertyType): boolean {
  if (typeof value === 'object') return false;
  const text = `${value}`;
  if (type.type === 'boolean') return text === 'true' || text === 'false';
  const isAllowed =
    !('allowedValues' in type) || (type.allowedValues ?? []).map(String).includes(text);
  if (type.type === 'integer') return isAllowed && /^-?\d+$/.test(text);
  if (type.type === 'number') return isAllowed && text !== '' && Number.isFinite(Number(text));
  return isAllowed && typeof value === 'string';
}

function isIntrinsic(value: Json): boolean {
  if (!isObject(value)) return false;
  const keys = Object.keys(value);
  return keys.length === 1 && /^(Ref|Fn::.+)$/.test(keys[0] ?? '');
}

function branchesOf(value: Json): Json[] | undefined {
  if (!isIntrinsic(value) || !isObject(value)) return undefined;
  const branches = value['Fn::If'];
  return Array.isArray(branches) ? branches.slice(1) : undefined;
}

/** Something in a template that stands for something else in it. */
interface Reference {
  by: string;
  id: string;
  attribute?: string;
}

function referencesIn(value: Json | undefined): Reference[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (!isObject(value)) return [];
  const inside = Object.values(value).flatMap(referencesIn);
  if (!isIntrinsic(value)) return inside;
  const { Ref: ref, 'Fn::GetAtt': attribute, 'Fn::Sub': sub, 'Fn::If': either } = value;
  if (typeof ref === 'string') inside.push({ by: 'Ref', id: ref });
  if (Array.isArray(attribute)) {
    inside.push({ by: 'GetAtt', id: String(attribute[0]), attribute: String(attribute[1]) });
  }
  if (sub !== undefined) inside.push(...referencesInText([sub].flat()));
  if (Array.isArray(either)) inside.push({ by: 'If', id: String(either[0]) });
  return inside;
}

function referencesInText([text, own = {}]: Json[]): Reference[] {
  return [...String(text).matchAll(/\$\{([^!}][^}]*)\}/g)]
    .map(([, name = '']) => name)
    .filter((name) => !(isObject(own) && name in own))
    .map((name) => {
      const [id = '', ...attribute] = name.split('.');
      return { by: 'Sub', id, ...(attribute.length > 0 ? { attribute: attribute.join('.') } : {}) };
    });
}

function referencesOf({ Condition: condition, DependsOn = [], Properties }: Resource): Reference[] {
  return [
    ...[DependsOn].flat().map((id) => ({ by: 'DependsOn', id })),
    ...(condition ? [{ by: 'If', id: condition }] : []),
    ...referencesIn(Properties),
  ];
}

function danglingReferences({ Resources, Conditions = {}, Outputs }: Template): string[] {
  const isThere = ({ by, id, attribute }: Reference) => {
    if (by === 'If') return id in Conditions;
    if (attribute) return attribute in (specOf(Resources[id]?.Type ?? '')?.attributes ?? {});
    return id in Resources || (by !== 'DependsOn' && /^AWS::[A-Z]\w+$/.test(id));
  };
  const all = [
    ...Object.entries(Resources).map(([id, resource]) => [id, referencesOf(resource)] as const),
    ['Outputs', referencesIn(Outputs as JsonObject)] as const,
  ];
  return all.flatMap(([where, references]) =>
    references
      .filter((reference) => !isThere(reference))
      .map(
        ({ by, id, attribute }) =>
          `${where}: ${by} of ${[id, attribute].filter(Boolean).join('.')}`,
      ),
  );
}

/** Resources that wait for each other: CloudFormation cannot begin with any of them. */
function circles({ Resources }: Template): string[] {
  const done = new Set<string>();
  const follow = (id: string, path: string[]): string[] => {
    if (path.includes(id))
      return [`${[...path.slice(path.indexOf(id)), id].join(' > ')}: a circle`];
    const resource = Resources[id];
    if (done.has(id) || !resource) return [];
    const waitsFor = referencesOf(resource).filter(({ by }) => by !== 'If');
    const found = waitsFor.flatMap((next) => follow(next.id, [...path, id]));
    done.add(id);
    return found;
  };
  return Object.keys(Resources).flatMap((id) => follow(id, []));
}

interface Statement {
  effect: string;
  actions: string[];
  resources: Json[];
}

/** All statements of policies, of roles and of resources, wherever they stand. */
export function statementsOf({ Resources }: Template): Statement[] {
  const inValue = (value: Json | undefined): Statement[] => {
    if (Array.isArray(value)) return value.flatMap(inValue);
    if (!isObject(value)) return [];
    if (!('Effect' in value)) return Object.values(value).flatMap(inValue);
    const { Effect, Action = '*', Resource = [] } = value;
    return [
      {
        effect: String(Effect),
        actions: [Action].flat().map(String),
        resources: [Resource].flat() as Json[],
      },
    ];
  };
  return Object.values(Resources).flatMap(({ Properties }) => inValue(Properties));
}
