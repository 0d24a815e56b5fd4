/**
 * Drops all that a schema holds, if there is one. The schema itself stays: when one comes or goes, or its rights change, each
 * session of the database makes all its plans again, and that costs more than most tests.
 */
export const emptied = (schema: string) => `
  do $empty$
  declare
    held record;
  begin
    for held in
      select o.type, string_agg(o.identity, ', ') as objects
      from pg_depend d cross join pg_identify_object(d.classid, d.objid, 0) o
      where d.refclassid = 'pg_namespace'::regclass and d.refobjid = to_regnamespace('${schema}')
        and o.type in ('table', 'view', 'materialized view', 'foreign table', 'sequence', 'function', 'procedure', 'aggregate', 'type')
        -- What is part of something else goes with it.
        and not exists (
          select from pg_depend part where part.classid = d.classid and part.objid = d.objid and part.deptype in ('i', 'e')
        )
      group by o.type
      order by o.type = 'table' desc
    loop
      execute format('drop %s if exists %s cascade', held.type, held.objects);
    end loop;
  end $empty$;
`;

/** Makes a schema as it is when new, whether or not there is one. One that something is left of, be it a right, is made anew. */
export const emptySchema = (schema: string) => `
  ${emptied(schema)}
  do $new$
  begin
    if not exists (
      select from pg_namespace n
      where n.oid = to_regnamespace('${schema}') and n.nspacl is null and n.nspowner = current_user::regrole
        and not exists (select from pg_depend where refclassid = 'pg_namespace'::regclass and refobjid = n.oid)
        and not exists (select from pg_description where classoid = 'pg_namespace'::regclass and objoid = n.oid)
    ) then
      drop schema if exists ${schema} cascade;
      create schema ${schema};
    end if;
  end $new$;
`;
