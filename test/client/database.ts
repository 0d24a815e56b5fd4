/** As `supabase gen types` writes it of the tables in these tests. */
export type Database = {
  __InternalSupabase: { PostgrestVersion: '13.0.5' };
  app: {
    Tables: {
      customers: Table<{ id: string; owner: string }>;
      orders: Table<{ id: number; customer: string | null; sku: string | null } & Deletion>;
      order_lines: Table<{ order_id: number; line: number } & Deletion>;
      Notes: Table<{ Id: string } & Deletion>;
    };
    Views: {
      active_orders: View;
      deleted_orders: View;
      totals: { Row: { sum: number | null }; Relationships: [] };
    };
    Functions: { [_ in never]: never };
    Enums: { [_ in never]: never };
    CompositeTypes: { [_ in never]: never };
  };
  public: {
    Tables: { tags: Table<{ id: string; name: string }> };
    Views: { [_ in never]: never };
    Functions: { [_ in never]: never };
    Enums: { [_ in never]: never };
    CompositeTypes: { [_ in never]: never };
  };
};

type Deletion = {
  deleted_at: string | null;
  deleted_by: string | null;
  deletion_reason: string | null;
  deletion_id: string | null;
};

type Table<Row> = {
  Row: Row;
  Insert: Partial<Row>;
  Update: Partial<Row>;
  Relationships: [];
};

/** All columns of a view are nullable in generated types. */
type Nullable<Row> = { [Name in keyof Row]: Row[Name] | null };
type View = Table<Nullable<Database['app']['Tables']['orders']['Row']>>;
