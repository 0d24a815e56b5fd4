// Generated from supabase/migrations by `npm run gen:types`. Do not edit.
export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  nightshift: {
    Tables: {
      retention_policies: {
        Row: {
          created_at: string
          drop_after: string
          enabled: boolean
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          describe_retention_policy: Json | null
        }
        Insert: {
          created_at?: string
          drop_after: string
          enabled?: boolean
          flag_column?: unknown
          last_purged_at?: string | null
          last_purged_rows?: number | null
          last_purged_run?: string | null
          marker_column: unknown
          max_fraction?: number
          relation: unknown
        }
        Update: {
          created_at?: string
          drop_after?: string
          enabled?: boolean
          flag_column?: unknown
          last_purged_at?: string | null
          last_purged_rows?: number | null
          last_purged_run?: string | null
          marker_column?: unknown
          max_fraction?: number
          relation?: unknown
        }
        Relationships: []
      }
      runs: {
        Row: {
          attempt: number
          claim: string
          dry_run: boolean
          error: Json | null
          fence: number
          finished_at: string | null
          heartbeat_at: string | null
          id: string
          idempotency_key: string | null
          input: NonNullable<Json>
          job: string
          lease: string
          lease_expires_at: string | null
          progress: NonNullable<Json>
          report: Json | null
          requested_by: string | null
          started_at: string
          status: string
          trigger: string
          describe_run: Json | null
        }
        Insert: {
          attempt?: number
          claim: string
          dry_run?: boolean
          error?: Json | null
          fence?: number
          finished_at?: string | null
          heartbeat_at?: string | null
          id?: string
          idempotency_key?: string | null
          input?: NonNullable<Json>
          job: string
          lease?: string
          lease_expires_at?: string | null
          progress?: NonNullable<Json>
          report?: Json | null
          requested_by?: string | null
          started_at: string
          status: string
          trigger: string
        }
        Update: {
          attempt?: number
          claim?: string
          dry_run?: boolean
          error?: Json | null
          fence?: number
          finished_at?: string | null
          heartbeat_at?: string | null
          id?: string
          idempotency_key?: string | null
          input?: NonNullable<Json>
          job?: string
          lease?: string
          lease_expires_at?: string | null
          progress?: NonNullable<Json>
          report?: Json | null
          requested_by?: string | null
          started_at?: string
          status?: string
          trigger?: string
        }
        Relationships: []
      }
      settings: {
        Row: {
          ledger_retention: string
          paused: boolean
          paused_at: string | null
          paused_reason: string | null
          singleton: boolean
          trigger_search_path: string
        }
        Insert: {
          ledger_retention?: string
          paused?: boolean
          paused_at?: string | null
          paused_reason?: string | null
          singleton?: boolean
          trigger_search_path?: string
        }
        Update: {
          ledger_retention?: string
          paused?: boolean
          paused_at?: string | null
          paused_reason?: string | null
          singleton?: boolean
          trigger_search_path?: string
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      add_counts: { Args: { a: Json; b: Json }; Returns: Json }
      add_retention_policy: {
        Args: {
          allow_short?: boolean
          drop_after: string
          enabled?: boolean
          flag_column?: unknown
          marker_column?: unknown
          max_fraction?: number
          relation: unknown
        }
        Returns: Json
      }
      alter_retention_policy: {
        Args: {
          allow_short?: boolean
          drop_after?: string
          enabled?: boolean
          flag_column?: unknown
          marker_column?: unknown
          max_fraction?: number
          relation: unknown
        }
        Returns: Json
      }
      begin_run: {
        Args: {
          as_of?: string
          claim?: string
          dry_run?: boolean
          idempotency_key?: string
          input?: Json
          job: string
          lease_seconds?: number
          requested_by?: string
          trigger: string
        }
        Returns: Json
      }
      brake: {
        Args: {
          doomed: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
        }
        Returns: undefined
      }
      check_retention_policy: {
        Args: {
          allow_short: boolean
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: undefined
      }
      choose_due_rows: {
        Args: {
          batch_rows: number
          due: string
          leaf: unknown
          locking: string
          marker_column: unknown
          place: Json
        }
        Returns: Record<string, unknown>
      }
      column_type: {
        Args: { column_name: unknown; relation: unknown }
        Returns: unknown
      }
      count_rows: {
        Args: { sets: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: number
      }
      covering_policy: {
        Args: { relation: unknown; scope: unknown[] }
        Returns: {
          created_at: string
          drop_after: string
          enabled: boolean
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
        }[]
        SetofOptions: {
          from: "*"
          to: "retention_policies"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      delete_rows: {
        Args: {
          doomed: Database["nightshift"]["CompositeTypes"]["row_set"][]
          scope: unknown[]
        }
        Returns: Json
      }
      describe_retention_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      describe_run: {
        Args: { run: Database["nightshift"]["Tables"]["runs"]["Row"] }
        Returns: Json
      }
      due_condition: {
        Args: {
          as_of: string
          drop_after: string
          flag_column: unknown
          marker_column: unknown
          relation: unknown
          row_alias: string
        }
        Returns: string
      }
      find_due_referencing: {
        Args: {
          as_of: string
          frontier: Database["nightshift"]["CompositeTypes"]["row_set"][]
          locking: string
          max_rows: number
          scope: unknown[]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      find_inner_references: {
        Args: { doomed: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: {
          key_name: string
          referencing_relation: unknown
          referencing_tid: unknown
          relation: unknown
          tid: unknown
        }[]
      }
      find_needed_rows: {
        Args: { doomed: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: {
          key_name: string
          relation: unknown
          tid: unknown
        }[]
      }
      find_relation: { Args: { name: string }; Returns: unknown }
      finish_run: {
        Args: {
          error?: Json
          fence: number
          report?: Json
          run_id: string
          status: string
        }
        Returns: Json
      }
      heartbeat_run: { Args: { fence: number; run_id: string }; Returns: Json }
      hold_run: {
        Args: { fence: number; run_id: string }
        Returns: {
          attempt: number
          claim: string
          dry_run: boolean
          error: Json | null
          fence: number
          finished_at: string | null
          heartbeat_at: string | null
          id: string
          idempotency_key: string | null
          input: NonNullable<Json>
          job: string
          lease: string
          lease_expires_at: string | null
          progress: NonNullable<Json>
          report: Json | null
          requested_by: string | null
          started_at: string
          status: string
          trigger: string
        }
        SetofOptions: {
          from: "*"
          to: "runs"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      hold_table: {
        Args: { locking: string; relation: unknown }
        Returns: undefined
      }
      leaf_relations: { Args: { relation: unknown }; Returns: unknown[] }
      list_retention_policies: {
        Args: { as_of?: string; budget_ms?: number }
        Returns: Json
      }
      list_runs: { Args: { job?: string; max_runs?: number }; Returns: Json }
      mark_lost_runs: {
        Args: { as_of: string; job: string }
        Returns: string[]
      }
      marker_is_indexed: {
        Args: { due: string; marker_column: unknown; relation: unknown }
        Returns: boolean
      }
      measure_backlog: {
        Args: {
          as_of: string
          budget_ms?: number
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      measure_retention_backlog: {
        Args: {
          again?: boolean
          fence: number
          relation: string
          run_id: string
        }
        Returns: Json
      }
      merge_row_sets: {
        Args: { sets: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      next_leaf: {
        Args: { done: unknown; due: string; relation: unknown }
        Returns: Json
      }
      pause: { Args: { reason?: string }; Returns: undefined }
      plan_retention_purge: {
        Args: { fence: number; only_relations?: string[]; run_id: string }
        Returns: Json
      }
      purge_batch: {
        Args: {
          batch_rows: number
          fence: number
          relation: string
          run_id: string
        }
        Returns: Json
      }
      record_batch: {
        Args: {
          purged: Json
          relation: unknown
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          step: Json
        }
        Returns: Json
      }
      referencing_keys: {
        Args: { relation: unknown }
        Returns: {
          indexed: boolean
          join_condition: string
          key: unknown
          name: string
          referencing: unknown
        }[]
      }
      remove_retention_policy: { Args: { relation: unknown }; Returns: Json }
      require_trusted_owner: { Args: { relation: unknown }; Returns: undefined }
      resolve_references: {
        Args: {
          as_of: string
          locking: string
          scope: unknown[]
          seeds: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Record<string, unknown>
      }
      resume_run: {
        Args: {
          as_of?: string
          attempt: number
          claim?: string
          run_id: string
        }
        Returns: Json
      }
      retention_warnings: { Args: { relation: unknown }; Returns: Json }
      scan_of: { Args: { relation: unknown }; Returns: string }
      subtract_row_sets: {
        Args: {
          minus: Database["nightshift"]["CompositeTypes"]["row_set"][]
          sets: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      trim_runs: { Args: { as_of?: string }; Returns: number }
      unpause: { Args: Record<PropertyKey, never>; Returns: undefined }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      row_set: {
        relation: unknown
        tids: unknown[] | null
      }
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<
  keyof Database,
  "nightshift"
>]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] &
        DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] &
        DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  nightshift: {
    Enums: {},
  },
} as const
