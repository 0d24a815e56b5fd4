insert into customers (id, email, is_erased, erased_at, profile)
select n, n % 280 || '@example.com', n > 280, case when n > 280 then now() - (n % 2 * 90 + 10) * interval '1 day' end, '{"news": true}' from generate_series(1, 320) n;
insert into addresses select n, 1 + n % 320, n || ' High Street' from generate_series(1, 640) n;
set constraints all immediate;
alter table customers disable trigger touch;
update customers c set default_address_id = (select min(a.id) from addresses a where a.customer_id = c.id);
-- One has an address of a household whose customer goes.
update customers set default_address_id = 300 where id = 5;
alter table customers enable trigger touch;
insert into categories select n, nullif(n / 3, 0), 'Category ' || n, case when n in (4, 13, 14, 20, 30) then now() - interval '1 year' end from generate_series(1, 40) n;
insert into products (id, name, deleted_at) select n, 'Product ' || n, case when n % 5 = 0 then now() - (n % 2 * 90 + 10) * interval '1 day' end from generate_series(1, 200) n;
insert into product_categories select n, 1 + n % 37 from generate_series(1, 200) n;
insert into product_categories select n, 38 from generate_series(1, 200, 7) n;
insert into variants select n, n || '-' || size, 10 from generate_series(1, 200) n, unnest(array['S', 'L']) size;
insert into product_images select n, 1 + n % 200, n || '.jpg' from generate_series(1, 400) n;
insert into "Warehouse"."StockMovement"
select row_number() over (), v.product_id, v.sku, '2024-01-01'::date + m * 100, 5 from variants v, generate_series(0, 3) m;
insert into wishes select c, 1 + (c * 7 + w) % 200 from generate_series(1, 320) c, generate_series(1, 2) w;
insert into carts select n, 1 + n % 320, now() at time zone 'UTC' + (n % 60 - 40) * interval '1 day' - interval '1 hour' from generate_series(1, 600) n;
insert into cart_lines select n, v.sku from generate_series(1, 600) n join variants v on v.product_id = 1 + n % 200;

-- Half of the orders were deleted, half of these long ago: 1, 5, 9 and so on.
insert into orders
select n, 1 + n % 300, case when n % 10 = 0 then n - 5 end, case when n % 3 = 0 then 1 + n % 600 end, now() - interval '2 years',
  case n % 4 when 1 then now() - interval '100 days' when 2 then now() - interval '10 days' end
from generate_series(1, 1200) n;
-- Products whose number ends in 5 are no longer sold: 15, 75 and 135 are in orders that stay, some in those that go.
insert into order_lines
select n, l, p, p || '-L', 1
from generate_series(1, 1200) n
cross join generate_series(1, 2) l
cross join lateral (
  select case when l = 2 and n % 4 = 1 and n % 16 <> 1 then 5 + n % 20 * 10 when l = 2 and n % 4 = 3 then 15 + n % 3 * 60 else 1 + n % 40 * 5 end
) v(p);
insert into discounts select row_number() over (), order_id, line, 1 from order_lines where order_id % 3 = 0;
insert into shipments select row_number() over (), n, now() from generate_series(1, 1200) n where n % 5 <> 0;
insert into shipment_lines select s.id, l.order_id, l.line from shipments s join order_lines l using (order_id);
insert into payments select n, n, 20 from generate_series(1, 1200) n;
insert into refunds select n, n, case when n = 21 then 'open' else 'done' end from generate_series(1, 1200, 4) n;
insert into gift_notes select n, 'With love' from generate_series(1, 1200, 50) n;
insert into invoices select '2024-' || n, n from generate_series(1, 1200, 16) n;
insert into reviews
select row_number() over (), l.product_id, c.id, l.order_id, l.line, 5
from order_lines l
join customers c on c.id = case when l.order_id % 8 = 3 then 301 + l.order_id % 20 else 1 + l.order_id % 300 end
where l.order_id % 2 = 1;
analyze;
