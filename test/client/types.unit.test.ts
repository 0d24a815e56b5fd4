import type { SupabaseClient } from '@supabase/supabase-js';
import { describe, expectTypeOf, it } from 'vitest';
import {
  type KeyOf,
  type restore,
  softDelete,
  type TableName,
  type WithSoftDelete,
} from '../../client/index.ts';
import type { Database } from './database.ts';

type Client = SupabaseClient<Database>;
type Line = { order_id: number; line: number };

describe('a table', () => {
  it('is named with its schema, which may be left out when it is public', () => {
    expectTypeOf<TableName<Database>>().toEqualTypeOf<
      'app.customers' | 'app.orders' | 'app.order_lines' | 'app.Notes' | 'public.tags' | 'tags'
    >();
  });

  it('may have any name where the client has no types', () => {
    // biome-ignore lint/suspicious/noExplicitAny: this is the type of a client without types.
    expectTypeOf<TableName<any>>().toEqualTypeOf<string>();
  });
});

describe('a key', () => {
  it('is of the type of the column id', () => {
    expectTypeOf<number | bigint>().toExtend<KeyOf<Database, 'app.orders'>>();
    expectTypeOf<string>().not.toExtend<KeyOf<Database, 'app.orders'>>();
    expectTypeOf<string>().toExtend<KeyOf<Database, 'tags'>>();
    expectTypeOf<number>().not.toExtend<KeyOf<Database, 'public.tags'>>();
  });

  it('is an object of columns of the table where there are several, or wanted', () => {
    expectTypeOf<{ order_id: number; line: number }>().toExtend<
      KeyOf<Database, 'app.order_lines'>
    >();
    expectTypeOf<{ order_id: string }>().not.toExtend<KeyOf<Database, 'app.order_lines'>>();
    expectTypeOf<{ Id: string } | string>().toExtend<KeyOf<Database, 'app.Notes'>>();
  });
});

describe('a call', () => {
  // Never run: what counts is what the compiler says.
  const calls = (client: Client) => {
    softDelete(client, 'app.orders', 1);
    softDelete(client, 'app.orders', [1, 2n]);
    softDelete(client, 'tags', new Set(['a']));
    softDelete<Database, 'app.order_lines', Line>(client, 'app.order_lines', []);
    // @ts-expect-error There is no such table.
    softDelete(client, 'app.order', 1);
    // @ts-expect-error The key is a number.
    softDelete(client, 'app.orders', 'a');
    // @ts-expect-error The keys are texts.
    softDelete(client, 'tags', [1]);
    // @ts-expect-error The key has no such column.
    softDelete(client, 'app.order_lines', { order_id: 1, number: 1 });
    const line = { order_id: 1 };
    // @ts-expect-error It has a second column.
    softDelete<Database, 'app.order_lines', Line>(client, 'app.order_lines', [line]);
  };

  it('knows the tables of the client and their keys', () => {
    expectTypeOf(calls).toBeFunction();
  });

  it('gives a restored row values of its own columns', () => {
    type Options = NonNullable<Parameters<typeof restore<Database, 'app.orders'>>[3]>;
    expectTypeOf<{ sku: string }>().toExtend<NonNullable<Options['overrides']>>();
    expectTypeOf<{ sku: number }>().not.toExtend<NonNullable<Options['overrides']>>();
  });
});

describe('WithSoftDelete', () => {
  type App = WithSoftDelete<Database>['app'];
  type Order = Database['app']['Tables']['orders']['Row'];

  it('types an active view as its table, with nothing in the columns of the deletion', () => {
    type Row = App['Views']['active_orders']['Row'];
    expectTypeOf<Row['id']>().toEqualTypeOf<number>();
    expectTypeOf<Row['sku']>().toEqualTypeOf<string | null>();
    expectTypeOf<Row['deleted_at']>().toEqualTypeOf<null>();
    expectTypeOf<keyof App['Views']['active_orders']['Insert']>().toEqualTypeOf<
      'id' | 'customer' | 'sku'
    >();
  });

  it('types the view of deleted rows as its table, and leaves others as they are', () => {
    expectTypeOf<App['Views']['deleted_orders']['Row']>().toEqualTypeOf<Order>();
    expectTypeOf<App['Views']['totals']>().toEqualTypeOf<Database['app']['Views']['totals']>();
    expectTypeOf<App['Tables']>().toEqualTypeOf<Database['app']['Tables']>();
  });

  it('is what a client selects', () => {
    const select = (client: SupabaseClient<WithSoftDelete<Database>>) =>
      client.schema('app').from('active_orders').select('id, deleted_at').single();
    type Selected = Extract<Awaited<ReturnType<typeof select>>, { error: null }>['data'];
    expectTypeOf<Selected>().toEqualTypeOf<{ id: number; deleted_at: null }>();
  });
});
