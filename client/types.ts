import type { SupabaseClient } from '@supabase/supabase-js';

/** A client of supabase-js, whatever its default schema. `Database` is what `supabase gen types` writes. */
// biome-ignore lint/suspicious/noExplicitAny: the other parameters depend on each other, and nothing here depends on them.
export type Client<Database> = SupabaseClient<Database, any, any, any, any>;

type Schemas<Database> = keyof Omit<Database, '__InternalSupabase'> & string;
type Tables<Database, Schema> = Schema extends keyof Database
  ? Database[Schema] extends { Tables: infer Found }
    ? Found
    : never
  : never;

/** A table with its schema, as in 'public.orders'. That of schema public may be left out. */
export type TableName<Database> = 0 extends 1 & Database
  ? string
  :
      | (keyof Tables<Database, 'public'> & string)
      | {
          [Schema in Schemas<Database>]: `${Schema}.${keyof Tables<Database, Schema> & string}`;
        }[Schemas<Database>];

type TableOf<Database, Name> = Name extends keyof Tables<Database, 'public'>
  ? Tables<Database, 'public'>[Name]
  : Name extends `${infer Schema}.${infer Table}`
    ? Table extends keyof Tables<Database, Schema>
      ? Tables<Database, Schema>[Table]
      : never
    : never;

export type RowOf<Database, Name> = 0 extends 1 & Database
  ? Record<string, unknown>
  : TableOf<Database, Name> extends { Row: infer Row }
    ? Row
    : never;

/** A bigint column is a number in generated types, and its value may be larger than a number can be. */
type Value<Type> = Type extends number ? number | bigint : Type extends string ? string : never;
type Scalar = string | number | bigint;

/** The primary key as an object of its columns, which is how one of several columns is given. */
type KeyObject<Row> = { [Column in keyof Row]?: Value<Row[Column]> };

/**
 * The primary key of a table: the type of its column `id`, or an object of the key's columns. Generated types do not say
 * which columns those are. Where there is no `id`, any value passes here, and the database refuses what is none.
 */
export type KeyOf<Database, Name> = 0 extends 1 & Database
  ? Scalar | Record<string, Scalar>
  :
      | (RowOf<Database, Name> extends { id: infer Id } ? Value<Id> : Scalar)
      | KeyObject<RowOf<Database, Name>>;

/** The type as the table or the caller says it, not as the value passed for it: NoInfer loses the columns of key objects. */
export type Given<Type> = [Type][Type extends unknown ? 0 : never];

/** One key, or many: those of an iterable are taken as they are needed, and never held all at once. */
export type Keys<Key> = Key | Iterable<Key> | AsyncIterable<Key>;

type DeletionColumn = 'deleted_at' | 'deleted_by' | 'deletion_reason' | 'deletion_id';

type ActiveView<View, Table, Column extends string> = Table extends {
  Row: infer Row;
  Insert: infer Insert;
  Update: infer Update;
}
  ? Omit<View, 'Row' | 'Insert' | 'Update'> & {
      Row: { [Name in keyof Row]: Name extends Column ? null : Row[Name] };
      Insert: Omit<Insert, Column>;
      Update: Omit<Update, Column>;
    }
  : View;

type DeletedView<View, Table> = Table extends { Row: infer Row }
  ? Omit<View, 'Row'> & { Row: Row }
  : View;

type Retyped<Views, Tables, Column extends string> = {
  [Name in keyof Views]: Name extends `active_${infer Table}`
    ? Table extends keyof Tables
      ? ActiveView<Views[Name], Tables[Table], Column>
      : Views[Name]
    : Name extends `deleted_${infer Table}`
      ? Table extends keyof Tables
        ? DeletedView<Views[Name], Tables[Table]>
        : Views[Name]
      : Views[Name];
};

/**
 * Generated types with the views of soft delete as they are: `active_orders` and `deleted_orders` have the columns of
 * `orders`, nullable where the table's are and not all of them, and in an active row those of the deletion are null.
 * `Column` names the latter, where a table has others than Nightshift adds.
 *
 *     const client = createClient<WithSoftDelete<Database>>(url, key);
 *     const { data } = await client.from('active_orders').select();
 */
export type WithSoftDelete<Database, Column extends string = DeletionColumn> = {
  [Schema in keyof Database]: Database[Schema] extends {
    Tables: infer Tables;
    Views: infer Views;
  }
    ? Omit<Database[Schema], 'Views'> & { Views: Retyped<Views, Tables, Column> }
    : Database[Schema];
};
