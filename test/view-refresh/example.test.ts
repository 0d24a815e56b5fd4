import { createClient } from '@supabase/supabase-js';
import { beforeAll, expect, it } from 'vitest';
import { loadSeed } from '../../infra/local/seeds.ts';
import { setUpDatabase } from '../support/database.ts';
import { isCurrent, write } from '../support/views.ts';

const db = setUpDatabase();
beforeAll(async () => {
  for (const seed of ['coaching', 'generate']) await loadSeed(db.url, seed);
  await db.sql`select nightshift_example.fill_coaching(40, 100, 500)`;
  await db.sql`select nightshift.adopt_refresh_policies('public')`;
});

it('the coaching app refreshes all views in one call, each after those it reads', async () => {
  await write(
    db.sql,
    `insert into public.coach_clients (coach_id, client_id)
    select c.id, u.id from public.users c, public.users u
    where c.role = 'coach' and u.role <> 'coach'
      and not exists (
        select from public.coach_clients cc where cc.coach_id = c.id and cc.client_id = u.id
      )
    limit 5`,
  );
  const { url, secretKey, publishableKey } = await db.gateway();
  const clientOf = (key: string) => createClient(url, key, { auth: { persistSession: false } });
  const { data, error } = await clientOf(secretKey).rpc('refresh_all_materialized_views');
  expect(error).toBeNull();
  const names = (data as { view_name: string; refresh_time_ms: number }[]).map(
    ({ view_name, refresh_time_ms }) => {
      expect(refresh_time_ms).toBeGreaterThanOrEqual(0);
      return view_name;
    },
  );
  expect(names.toSorted()).toEqual([
    'mv_coach_leaderboard',
    'mv_coach_performance_stats',
    'mv_package_performance_stats',
    'mv_user_health_metrics_summary',
    'mv_user_target_achievement',
  ]);
  expect(names.indexOf('mv_coach_leaderboard')).toBeGreaterThan(
    names.indexOf('mv_coach_performance_stats'),
  );
  for (const name of names) expect(await isCurrent(db.sql, `public.${name}`)).toBe(true);

  const refused = await clientOf(publishableKey).rpc('refresh_all_materialized_views');
  expect(refused.status).toBe(401);
});
