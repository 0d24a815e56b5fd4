-- A shop: orders by lines that have no key of their own, papers that the law keeps, a cycle of customers and addresses,
-- and names in mixed case from a second team.

create schema "Warehouse";
create function touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$;

create table customers (
  id integer primary key, email text not null, is_erased boolean not null default false, erased_at timestamptz,
  default_address_id integer, profile jsonb, updated_at timestamptz not null default '2024-01-01'
);
-- Only of those that are still with us.
create unique index on customers (lower(email)) where not is_erased;
create index on customers (erased_at) where is_erased;
create table addresses (id integer primary key, customer_id integer not null references customers on delete cascade, street text);
create index on addresses (customer_id);
alter table customers add foreign key (default_address_id) references addresses on delete set null deferrable initially deferred;
create index on customers (default_address_id);

create table categories (id integer primary key, parent_id integer references categories on delete restrict, name text, deleted_at timestamptz);
create table products (
  id integer primary key, name text, search tsvector generated always as (to_tsvector('simple', name)) stored, deleted_at timestamptz
);
create index on products (deleted_at) where deleted_at is not null;
create index on products using gin (search);
create table product_categories (
  product_id integer references products on delete cascade, category_id integer references categories on delete cascade,
  primary key (product_id, category_id)
);
create index on product_categories (category_id);
create table variants (product_id integer references products on delete cascade, sku text, price numeric(10, 2), primary key (product_id, sku), unique (sku));
create table product_images (id integer primary key, product_id integer references products on delete cascade, path text);
create index on product_images (product_id);
create table "Warehouse"."StockMovement" (
  "id" integer, "productId" integer not null, sku text not null, "movedAt" date not null, quantity integer,
  primary key ("id", "movedAt"),
  foreign key ("productId", sku) references variants on delete cascade
) partition by range ("movedAt");
create table "Warehouse"."StockMovement 1" partition of "Warehouse"."StockMovement" for values from (minvalue) to ('2024-07-01');
create table "Warehouse"."StockMovement 2" partition of "Warehouse"."StockMovement" for values from ('2024-07-01') to (maxvalue);
create index on "Warehouse"."StockMovement" ("productId", sku);
create table wishes (
  customer_id integer references customers on delete cascade, product_id integer references products on delete cascade, primary key (customer_id, product_id)
);
create index on wishes (product_id);

create table carts (id integer primary key, customer_id integer references customers on delete cascade, expires_at timestamp not null);
create table cart_lines (cart_id integer references carts on delete cascade, sku text references variants (sku) on delete cascade, primary key (cart_id, sku));
create index on carts (expires_at);
create index on carts (customer_id);
create index on cart_lines (sku);

create table orders (
  id integer primary key, customer_id integer not null references customers, reorder_of integer references orders on delete set null,
  cart_id integer references carts on delete set null, placed_at timestamptz not null, "deletedAt" timestamptz
);
create index on orders ("deletedAt") where "deletedAt" is not null;
create index on orders (customer_id);
create index on orders (reorder_of);
create index on orders (cart_id);
create table order_lines (
  order_id integer references orders, line integer, product_id integer not null, sku text not null, quantity integer not null check (quantity > 0),
  primary key (order_id, line), foreign key (product_id, sku) references variants match full
);
create index on order_lines (product_id, sku);
create table discounts (
  id integer primary key, order_id integer not null, line integer not null, amount numeric,
  foreign key (order_id, line) references order_lines on delete cascade
);
create index on discounts (order_id, line);
create table shipments (id integer primary key, order_id integer not null references orders, shipped_at timestamptz);
create index on shipments (order_id);
create table shipment_lines (
  shipment_id integer references shipments, order_id integer, line integer, primary key (shipment_id, order_id, line),
  foreign key (order_id, line) references order_lines
);
create index on shipment_lines (order_id, line);
create table payments (id integer primary key, order_id integer not null references orders on delete restrict, amount numeric);
create table refunds (id integer primary key, payment_id integer not null references payments on delete restrict, state text not null);
create index on payments (order_id);
create index on refunds (payment_id);
-- A small table, without an index on its key.
create table gift_notes (order_id integer references orders on delete cascade, note text);
create table invoices (number text primary key, order_id integer not null unique references orders on delete restrict);
create table reviews (
  id integer primary key, product_id integer references products on delete cascade, customer_id integer references customers on delete set null,
  order_id integer, line integer, stars smallint, updated_at timestamptz not null default '2024-01-01',
  foreign key (order_id, line) references order_lines on delete set null (line)
);
create index on reviews (product_id);
create index on reviews (customer_id);
create index on reviews (order_id, line);
create trigger touch before update on reviews for each row execute function touch();
create trigger touch before update on customers for each row execute function touch();

-- A refund that is under way keeps itself.
create function keep_open_refund() returns trigger language plpgsql as $$ begin return case when old.state = 'open' then null else old end; end $$;
create trigger keep_open_refund before delete on refunds for each row execute function keep_open_refund();
-- Deletions of orders are told to the warehouse.
create table "Warehouse"."Outbox" ("orderId" integer not null, by_purge boolean not null);
create function tell_warehouse() returns trigger language plpgsql as $$
begin
  insert into "Warehouse"."Outbox" ("orderId", by_purge) select id, current_setting('nightshift.run_id', true) <> '' from old_orders;
  return null;
end $$;
create trigger tell_warehouse after delete on orders referencing old table as old_orders for each statement execute function tell_warehouse();
alter table orders enable row level security;
alter table orders force row level security;
create publication shop_changes for table orders, order_lines, variants, customers;
