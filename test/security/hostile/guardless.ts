import type { Sql } from 'postgres';

/** The guard, taken away: names as they are, and nobody is a stranger. */
export async function takeGuardAway(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create or replace function nightshift.find_stranger(relation regclass, out message text, out hint text)
    language plpgsql stable as 'begin end';
    create or replace function nightshift.trusted_name(relation regclass) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as 'begin return relation::text; end';
    create or replace function nightshift.trusted_operator(operator oid, out name text, out cast_left text, out cast_right text)
    language plpgsql stable as $$
    begin
      select format('operator(%I.%s)', n.nspname, o.oprname), '', '' into name, cast_left, cast_right
      from pg_catalog.pg_operator o join pg_catalog.pg_namespace n on n.oid = o.oprnamespace where o.oid = operator;
    end $$`);
}
