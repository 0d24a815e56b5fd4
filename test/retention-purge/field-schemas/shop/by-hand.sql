-- Orders with an invoice are kept; those with an open refund cannot go.
create table gone as
select o.id from orders o
where o."deletedAt" < now() - interval '90 days'
  and o.id not in (select order_id from invoices)
  and o.id not in (select p.order_id from refunds r join payments p on p.id = r.payment_id where r.state = 'open');
insert into "Outbox" ("orderId", by_purge) select id, true from gone;
delete from orders where id in (select id from gone);
update orders set reorder_of = null where reorder_of in (select id from gone);
delete from order_lines where order_id in (select id from gone);
delete from discounts where order_id in (select id from gone);
delete from shipment_lines where order_id in (select id from gone);
delete from shipments where order_id in (select id from gone);
delete from refunds where payment_id in (select p.id from payments p where p.order_id in (select id from gone));
delete from payments where order_id in (select id from gone);
delete from gift_notes where order_id in (select id from gone);
update reviews set line = null, updated_at = now() where order_id in (select id from gone);
drop table gone;

-- Products go unless an order that stays has one of their variants.
create table gone as
select p.id from products p
where p.deleted_at < now() - interval '90 days' and p.id not in (select product_id from order_lines);
delete from cart_lines where sku in (select sku from variants where product_id in (select id from gone));
delete from products where id in (select id from gone);
delete from variants where product_id in (select id from gone);
delete from product_images where product_id in (select id from gone);
delete from product_categories where product_id in (select id from gone);
delete from wishes where product_id in (select id from gone);
delete from reviews where product_id in (select id from gone);
delete from "StockMovement" where "productId" in (select id from gone);
drop table gone;

-- Categories go from the leaves up, while none below them stays.
create table gone as
with recursive stays(id) as (
  select id from categories where (deleted_at < now() - interval '90 days') is not true
  union
  select c.parent_id from stays s join categories c on c.id = s.id where c.parent_id is not null
)
select id from categories where id not in (select id from stays);
delete from categories where id in (select id from gone);
delete from product_categories where category_id in (select id from gone);
drop table gone;

create table gone as select id from carts where expires_at < now() at time zone 'UTC' - interval '14 days';
delete from carts where id in (select id from gone);
delete from cart_lines where cart_id in (select id from gone);
update orders set cart_id = null where cart_id in (select id from gone);
drop table gone;

create table gone as
select c.id from customers c
where c.is_erased and c.erased_at < now() - interval '90 days' and c.id not in (select customer_id from orders);
update orders set cart_id = null where cart_id in (select id from carts where customer_id in (select id from gone));
delete from cart_lines where cart_id in (select id from carts where customer_id in (select id from gone));
delete from carts where customer_id in (select id from gone);
delete from customers where id in (select id from gone);
update customers set default_address_id = null, updated_at = now()
where default_address_id in (select id from addresses where customer_id in (select id from gone));
delete from addresses where customer_id in (select id from gone);
delete from wishes where customer_id in (select id from gone);
update reviews set customer_id = null, updated_at = now() where customer_id in (select id from gone);
drop table gone;
