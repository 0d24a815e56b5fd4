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
      admissions: {
        Row: {
          action: string
          admitted_at: string
          caller: string
          id: number
        }
        Insert: {
          action: string
          admitted_at?: string
          caller: string
          id?: never
        }
        Update: {
          action?: string
          admitted_at?: string
          caller?: string
          id?: never
        }
        Relationships: []
      }
      default_exclusions: {
        Row: {
          default_partition: unknown
          parent: unknown
          period: unknown
        }
        Insert: {
          default_partition: unknown
          parent: unknown
          period: unknown
        }
        Update: {
          default_partition?: unknown
          parent?: unknown
          period?: unknown
        }
        Relationships: [
          {
            foreignKeyName: "default_exclusions_parent_fkey"
            columns: ["parent"]
            referencedRelation: "partition_policies"
            referencedColumns: ["parent"]
          },
        ]
      }
      deletion_events: {
        Row: {
          action: string
          actor: string | null
          at: string
          details: Json | null
          id: number
          keys: Json | null
          operation: string | null
          reason: string | null
          relation_name: string
          rows: number
          sealed: string | null
          sealed_with: string | null
          transaction: unknown
        }
        Insert: {
          action: string
          actor?: string | null
          at?: string
          details?: Json | null
          id?: never
          keys?: Json | null
          operation?: string | null
          reason?: string | null
          relation_name: string
          rows: number
          sealed?: string | null
          sealed_with?: string | null
          transaction?: unknown
        }
        Update: {
          action?: string
          actor?: string | null
          at?: string
          details?: Json | null
          id?: never
          keys?: Json | null
          operation?: string | null
          reason?: string | null
          relation_name?: string
          rows?: number
          sealed?: string | null
          sealed_with?: string | null
          transaction?: unknown
        }
        Relationships: []
      }
      deletion_events_default: {
        Row: {
          action: string
          actor: string | null
          at: string
          details: Json | null
          id: number
          keys: Json | null
          operation: string | null
          reason: string | null
          relation_name: string
          rows: number
          sealed: string | null
          sealed_with: string | null
          transaction: unknown
        }
        Insert: {
          action: string
          actor?: string | null
          at?: string
          details?: Json | null
          id?: never
          keys?: Json | null
          operation?: string | null
          reason?: string | null
          relation_name: string
          rows: number
          sealed?: string | null
          sealed_with?: string | null
          transaction?: unknown
        }
        Update: {
          action?: string
          actor?: string | null
          at?: string
          details?: Json | null
          id?: never
          keys?: Json | null
          operation?: string | null
          reason?: string | null
          relation_name?: string
          rows?: number
          sealed?: string | null
          sealed_with?: string | null
          transaction?: unknown
        }
        Relationships: []
      }
      health_checks: {
        Row: {
          critical: number | null
          healthy: string
          info: number | null
          name: string
          quick: boolean
          title: string
          unit: string
          warning: number | null
          why: string
          worse: string
          describe_health_check: Json | null
        }
        Insert: {
          critical?: number | null
          healthy: string
          info?: number | null
          name: string
          quick?: boolean
          title: string
          unit: string
          warning?: number | null
          why: string
          worse?: string
        }
        Update: {
          critical?: number | null
          healthy?: string
          info?: number | null
          name?: string
          quick?: boolean
          title?: string
          unit?: string
          warning?: number | null
          why?: string
          worse?: string
        }
        Relationships: []
      }
      health_findings: {
        Row: {
          check_name: string
          level: string
          level_since: string
          since: string
          subject: string
        }
        Insert: {
          check_name: string
          level: string
          level_since: string
          since: string
          subject: string
        }
        Update: {
          check_name?: string
          level?: string
          level_since?: string
          since?: string
          subject?: string
        }
        Relationships: [
          {
            foreignKeyName: "health_findings_check_name_fkey"
            columns: ["check_name"]
            referencedRelation: "health_checks"
            referencedColumns: ["name"]
          },
        ]
      }
      health_results: {
        Row: {
          check_name: string
          checked_at: string
          document: NonNullable<Json>
        }
        Insert: {
          check_name: string
          checked_at: string
          document: NonNullable<Json>
        }
        Update: {
          check_name?: string
          checked_at?: string
          document?: NonNullable<Json>
        }
        Relationships: [
          {
            foreignKeyName: "health_results_check_name_fkey"
            columns: ["check_name"]
            referencedRelation: "health_checks"
            referencedColumns: ["name"]
          },
        ]
      }
      health_thresholds: {
        Row: {
          check_name: string
          critical: number | null
          id: number
          info: number | null
          subject: string | null
          warning: number | null
        }
        Insert: {
          check_name: string
          critical?: number | null
          id?: never
          info?: number | null
          subject?: string | null
          warning?: number | null
        }
        Update: {
          check_name?: string
          critical?: number | null
          id?: never
          info?: number | null
          subject?: string | null
          warning?: number | null
        }
        Relationships: [
          {
            foreignKeyName: "health_thresholds_check_name_fkey"
            columns: ["check_name"]
            referencedRelation: "health_checks"
            referencedColumns: ["name"]
          },
        ]
      }
      home: {
        Row: {
          accepted_at: string | null
          functions_tell_at: string | null
          gone: string[] | null
          project_url: string
          refused_at: string | null
          singleton: boolean
          ticked_at: string
          told: string | null
          told_at: string | null
          told_request: number | null
          webhook_url: string | null
        }
        Insert: {
          accepted_at?: string | null
          functions_tell_at?: string | null
          gone?: string[] | null
          project_url: string
          refused_at?: string | null
          singleton?: boolean
          ticked_at?: string
          told?: string | null
          told_at?: string | null
          told_request?: number | null
          webhook_url?: string | null
        }
        Update: {
          accepted_at?: string | null
          functions_tell_at?: string | null
          gone?: string[] | null
          project_url?: string
          refused_at?: string | null
          singleton?: boolean
          ticked_at?: string
          told?: string | null
          told_at?: string | null
          told_request?: number | null
          webhook_url?: string | null
        }
        Relationships: []
      }
      jobs: {
        Row: {
          name: string
          policies: unknown
          purpose: string
          runs_kept: string | null
          runs_while_paused: boolean
          declared_since: string | null
        }
        Insert: {
          name: string
          policies?: unknown
          purpose?: string
          runs_kept?: string | null
          runs_while_paused?: boolean
        }
        Update: {
          name?: string
          policies?: unknown
          purpose?: string
          runs_kept?: string | null
          runs_while_paused?: boolean
        }
        Relationships: []
      }
      key_queries: {
        Row: {
          created_at: string
          max_ms: number
          name: string
          sql: string
          check_key_query: {
            created_at: string
            max_ms: number
            name: string
            sql: string
          } | null
          describe_declared_query: Json | null
        }
        Insert: {
          created_at?: string
          max_ms: number
          name: string
          sql: string
        }
        Update: {
          created_at?: string
          max_ms?: number
          name?: string
          sql?: string
        }
        Relationships: []
      }
      key_query_times: {
        Row: {
          blocks_hit: number | null
          blocks_read: number | null
          failure: string | null
          id: number
          measured_at: string
          median_ms: number | null
          min_ms: number | null
          plan: string | null
          query: string
          runs: number
          stopped_ms: number | null
          verdict: string | null
        }
        Insert: {
          blocks_hit?: number | null
          blocks_read?: number | null
          failure?: string | null
          id?: never
          measured_at: string
          median_ms?: number | null
          min_ms?: number | null
          plan?: string | null
          query: string
          runs: number
          stopped_ms?: number | null
          verdict?: string | null
        }
        Update: {
          blocks_hit?: number | null
          blocks_read?: number | null
          failure?: string | null
          id?: never
          measured_at?: string
          median_ms?: number | null
          min_ms?: number | null
          plan?: string | null
          query?: string
          runs?: number
          stopped_ms?: number | null
          verdict?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "key_query_times_query_fkey"
            columns: ["query"]
            referencedRelation: "key_queries"
            referencedColumns: ["name"]
          },
        ]
      }
      migrations: {
        Row: {
          applied_at: string
          checksum: string
          objects: string[]
          version: string
        }
        Insert: {
          applied_at?: string
          checksum: string
          objects: string[]
          version: string
        }
        Update: {
          applied_at?: string
          checksum?: string
          objects?: string[]
          version?: string
        }
        Relationships: []
      }
      partition_policies: {
        Row: {
          created_at: string
          enabled: boolean
          epoch: string | null
          every: string
          grace: string
          max_fraction: number
          parent: unknown
          parent_name: string
          partition_schema: unknown
          premake: number
          retention: string | null
          retire: string
          check_partition_policy: undefined | null
          describe_partition_policy: Json | null
        }
        Insert: {
          created_at?: string
          enabled?: boolean
          epoch?: string | null
          every: string
          grace: string
          max_fraction: number
          parent: unknown
          parent_name: string
          partition_schema?: unknown
          premake: number
          retention?: string | null
          retire: string
        }
        Update: {
          created_at?: string
          enabled?: boolean
          epoch?: string | null
          every?: string
          grace?: string
          max_fraction?: number
          parent?: unknown
          parent_name?: string
          partition_schema?: unknown
          premake?: number
          retention?: string | null
          retire?: string
        }
        Relationships: []
      }
      purge_counted: {
        Row: {
          relation: unknown
          run_id: string
          tid: unknown
        }
        Insert: {
          relation: unknown
          run_id: string
          tid: unknown
        }
        Update: {
          relation?: unknown
          run_id?: string
          tid?: unknown
        }
        Relationships: []
      }
      purge_decisions: {
        Row: {
          fate: string
          reason: string | null
          relation: unknown
          run_id: string
          tid: unknown
        }
        Insert: {
          fate: string
          reason?: string | null
          relation: unknown
          run_id: string
          tid: unknown
        }
        Update: {
          fate?: string
          reason?: string | null
          relation?: unknown
          run_id?: string
          tid?: unknown
        }
        Relationships: []
      }
      purge_pending: {
        Row: {
          level: number
          policy: unknown
          relation: unknown
          run_id: string
          tid: unknown
          turn: unknown
          walked: boolean
        }
        Insert: {
          level: number
          policy: unknown
          relation: unknown
          run_id: string
          tid: unknown
          turn: unknown
          walked: boolean
        }
        Update: {
          level?: number
          policy?: unknown
          relation?: unknown
          run_id?: string
          tid?: unknown
          turn?: unknown
          walked?: boolean
        }
        Relationships: []
      }
      purge_released: {
        Row: {
          references: number
          referencing: unknown
          relation: unknown
          run_id: string
          tid: unknown
          turn: unknown
        }
        Insert: {
          references: number
          referencing: unknown
          relation: unknown
          run_id: string
          tid: unknown
          turn: unknown
        }
        Update: {
          references?: number
          referencing?: unknown
          relation?: unknown
          run_id?: string
          tid?: unknown
          turn?: unknown
        }
        Relationships: []
      }
      refresh_policies: {
        Row: {
          allow_blocking: boolean
          created_at: string
          data_as_of: string | null
          enabled: boolean
          last_refresh_ms: number | null
          last_refreshed_at: string | null
          max_staleness: string
          state: Json | null
          view: unknown
          view_name: string
          check_refresh_policy: undefined | null
          describe_declared_policy: Json | null
          describe_refresh_policy: Json | null
          fix_of_stale_view: string | null
          view_of: unknown
        }
        Insert: {
          allow_blocking?: boolean
          created_at?: string
          data_as_of?: string | null
          enabled?: boolean
          last_refresh_ms?: number | null
          last_refreshed_at?: string | null
          max_staleness: string
          state?: Json | null
          view: unknown
          view_name: string
        }
        Update: {
          allow_blocking?: boolean
          created_at?: string
          data_as_of?: string | null
          enabled?: boolean
          last_refresh_ms?: number | null
          last_refreshed_at?: string | null
          max_staleness?: string
          state?: Json | null
          view?: unknown
          view_name?: string
        }
        Relationships: []
      }
      retention_keys: {
        Row: {
          constraint_name: unknown
          policy: unknown
          referencing: unknown
          role: string
        }
        Insert: {
          constraint_name: unknown
          policy: unknown
          referencing: unknown
          role: string
        }
        Update: {
          constraint_name?: unknown
          policy?: unknown
          referencing?: unknown
          role?: string
        }
        Relationships: [
          {
            foreignKeyName: "retention_keys_policy_fkey"
            columns: ["policy"]
            referencedRelation: "retention_policies"
            referencedColumns: ["relation"]
          },
        ]
      }
      retention_policies: {
        Row: {
          created_at: string
          drop_after: string
          enabled: boolean
          first_purge: string | null
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          relation_name: string | null
          describe_declaration: Json | null
          describe_holders: Json | null
          describe_retention_policy: Json | null
          require_marker_index: undefined | null
        }
        Insert: {
          created_at?: string
          drop_after: string
          enabled?: boolean
          first_purge?: string | null
          flag_column?: unknown
          last_purged_at?: string | null
          last_purged_rows?: number | null
          last_purged_run?: string | null
          marker_column: unknown
          max_fraction?: number
          relation: unknown
          relation_name?: string | null
        }
        Update: {
          created_at?: string
          drop_after?: string
          enabled?: boolean
          first_purge?: string | null
          flag_column?: unknown
          last_purged_at?: string | null
          last_purged_rows?: number | null
          last_purged_run?: string | null
          marker_column?: unknown
          max_fraction?: number
          relation?: unknown
          relation_name?: string | null
        }
        Relationships: []
      }
      retired_partitions: {
        Row: {
          drop_after: string | null
          ended_at: string | null
          ended_run: string | null
          estimated_rows: number | null
          from_bound: string
          id: number
          parent: unknown
          parent_name: string
          partition: unknown
          partition_name: string
          period: unknown
          retired_at: string
          run_id: string | null
          size_bytes: number
          status: string
          to_bound: string
          describe_retired: Json | null
        }
        Insert: {
          drop_after?: string | null
          ended_at?: string | null
          ended_run?: string | null
          estimated_rows?: number | null
          from_bound: string
          id?: never
          parent: unknown
          parent_name: string
          partition: unknown
          partition_name: string
          period: unknown
          retired_at?: string
          run_id?: string | null
          size_bytes: number
          status: string
          to_bound: string
        }
        Update: {
          drop_after?: string | null
          ended_at?: string | null
          ended_run?: string | null
          estimated_rows?: number | null
          from_bound?: string
          id?: never
          parent?: unknown
          parent_name?: string
          partition?: unknown
          partition_name?: string
          period?: unknown
          retired_at?: string
          run_id?: string | null
          size_bytes?: number
          status?: string
          to_bound?: string
        }
        Relationships: []
      }
      runs: {
        Row: {
          attempt: number
          cancel_requested_at: string | null
          cancel_requested_by: string | null
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
          request_id: string
          requested_by: string | null
          started_at: string
          status: string
          trigger: string
          describe_run: Json | null
          forced_names: string[] | null
          require_wanted: undefined | null
          status_run: Json | null
          waits_to_be_continued: boolean | null
        }
        Insert: {
          attempt?: number
          cancel_requested_at?: string | null
          cancel_requested_by?: string | null
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
          request_id: string
          requested_by?: string | null
          started_at: string
          status: string
          trigger: string
        }
        Update: {
          attempt?: number
          cancel_requested_at?: string | null
          cancel_requested_by?: string | null
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
          request_id?: string
          requested_by?: string | null
          started_at?: string
          status?: string
          trigger?: string
        }
        Relationships: []
      }
      schedules: {
        Row: {
          answer: string | null
          cron: string
          due_at: string | null
          input: NonNullable<Json>
          job: string
          name: string
          nonce: string | null
          posted_at: string | null
          posts: number
          request: number | null
          waiting_since: string | null
          woken_for: string | null
          note_answer: {
            answer: string | null
            cron: string
            due_at: string | null
            input: NonNullable<Json>
            job: string
            name: string
            nonce: string | null
            posted_at: string | null
            posts: number
            request: number | null
            waiting_since: string | null
            woken_for: string | null
          } | null
          served_at: string | null
          work_due: Json | null
        }
        Insert: {
          answer?: string | null
          cron: string
          due_at?: string | null
          input?: NonNullable<Json>
          job: string
          name: string
          nonce?: string | null
          posted_at?: string | null
          posts?: number
          request?: number | null
          waiting_since?: string | null
          woken_for?: string | null
        }
        Update: {
          answer?: string | null
          cron?: string
          due_at?: string | null
          input?: NonNullable<Json>
          job?: string
          name?: string
          nonce?: string | null
          posted_at?: string | null
          posts?: number
          request?: number | null
          waiting_since?: string | null
          woken_for?: string | null
        }
        Relationships: []
      }
      settings: {
        Row: {
          history_secret: string | null
          ledger_retention: string
          partition_alert_bytes: number
          paused: boolean
          paused_at: string | null
          paused_reason: string | null
          singleton: boolean
          size_limit_bytes: number | null
          size_limit_kind: string | null
          trend_retention: string
          trigger_search_path: string
          unpaused_at: string | null
          unpaused_by: string | null
        }
        Insert: {
          history_secret?: string | null
          ledger_retention?: string
          partition_alert_bytes?: number
          paused?: boolean
          paused_at?: string | null
          paused_reason?: string | null
          singleton?: boolean
          size_limit_bytes?: number | null
          size_limit_kind?: string | null
          trend_retention?: string
          trigger_search_path?: string
          unpaused_at?: string | null
          unpaused_by?: string | null
        }
        Update: {
          history_secret?: string | null
          ledger_retention?: string
          partition_alert_bytes?: number
          paused?: boolean
          paused_at?: string | null
          paused_reason?: string | null
          singleton?: boolean
          size_limit_bytes?: number | null
          size_limit_kind?: string | null
          trend_retention?: string
          trigger_search_path?: string
          unpaused_at?: string | null
          unpaused_by?: string | null
        }
        Relationships: []
      }
      soft_delete_cascades: {
        Row: {
          constraint_name: unknown
          guarded: boolean
          referencing: unknown
          relation: unknown
        }
        Insert: {
          constraint_name: unknown
          guarded?: boolean
          referencing: unknown
          relation: unknown
        }
        Update: {
          constraint_name?: unknown
          guarded?: boolean
          referencing?: unknown
          relation?: unknown
        }
        Relationships: [
          {
            foreignKeyName: "soft_delete_cascades_referencing_fkey"
            columns: ["referencing"]
            referencedRelation: "soft_delete_tables"
            referencedColumns: ["relation"]
          },
          {
            foreignKeyName: "soft_delete_cascades_relation_fkey"
            columns: ["relation"]
            referencedRelation: "soft_delete_tables"
            referencedColumns: ["relation"]
          },
        ]
      }
      soft_delete_tables: {
        Row: {
          active_indexes: string[]
          added_columns: unknown[]
          added_indexes: string[]
          by_column: unknown
          created_at: string
          flag_column: unknown
          for_users: boolean
          hide: boolean
          marker_column: unknown
          operation_column: unknown
          realtime: boolean
          reason_column: unknown
          relation: unknown
          relation_name: string
          views: boolean
          check_soft_delete: undefined | null
        }
        Insert: {
          active_indexes?: string[]
          added_columns?: unknown[]
          added_indexes?: string[]
          by_column: unknown
          created_at?: string
          flag_column?: unknown
          for_users?: boolean
          hide?: boolean
          marker_column: unknown
          operation_column: unknown
          realtime?: boolean
          reason_column: unknown
          relation: unknown
          relation_name: string
          views?: boolean
        }
        Update: {
          active_indexes?: string[]
          added_columns?: unknown[]
          added_indexes?: string[]
          by_column?: unknown
          created_at?: string
          flag_column?: unknown
          for_users?: boolean
          hide?: boolean
          marker_column?: unknown
          operation_column?: unknown
          realtime?: boolean
          reason_column?: unknown
          relation?: unknown
          relation_name?: string
          views?: boolean
        }
        Relationships: []
      }
      status: {
        Row: {
          document: NonNullable<Json>
          singleton: boolean
          taken_at: string
        }
        Insert: {
          document: NonNullable<Json>
          singleton?: boolean
          taken_at: string
        }
        Update: {
          document?: NonNullable<Json>
          singleton?: boolean
          taken_at?: string
        }
        Relationships: []
      }
      trend_points: {
        Row: {
          at: string
          bytes: number | null
          connections: number | null
          dead_rows: number | null
          duration_ms: number | null
          kind: string
          live_rows: number | null
          newest_oid: unknown
          rows_left: number | null
          subject: string
        }
        Insert: {
          at: string
          bytes?: number | null
          connections?: number | null
          dead_rows?: number | null
          duration_ms?: number | null
          kind: string
          live_rows?: number | null
          newest_oid?: unknown
          rows_left?: number | null
          subject: string
        }
        Update: {
          at?: string
          bytes?: number | null
          connections?: number | null
          dead_rows?: number | null
          duration_ms?: number | null
          kind?: string
          live_rows?: number | null
          newest_oid?: unknown
          rows_left?: number | null
          subject?: string
        }
        Relationships: []
      }
      troubles: {
        Row: {
          began_at: string
          checks: string[] | null
          claimed_until: string | null
          end_told_at: string | null
          ended_at: string | null
          gone_at: string | null
          id: number
          key: string
          kind: string
          subject: string
          text: string
          told_at: string | null
        }
        Insert: {
          began_at?: string
          checks?: string[] | null
          claimed_until?: string | null
          end_told_at?: string | null
          ended_at?: string | null
          gone_at?: string | null
          id?: never
          key: string
          kind: string
          subject: string
          text: string
          told_at?: string | null
        }
        Update: {
          began_at?: string
          checks?: string[] | null
          claimed_until?: string | null
          end_told_at?: string | null
          ended_at?: string | null
          gone_at?: string | null
          id?: never
          key?: string
          kind?: string
          subject?: string
          text?: string
          told_at?: string | null
        }
        Relationships: []
      }
      vacuum_policies: {
        Row: {
          created_at: string
          enabled: boolean
          max_dead_fraction: number | null
          relation: unknown
          relation_name: string
          check_vacuum_policy: undefined | null
          describe_vacuum_policy: Json | null
          table_of_policy: unknown
          tables_of_policy: unknown
        }
        Insert: {
          created_at?: string
          enabled?: boolean
          max_dead_fraction?: number | null
          relation: unknown
          relation_name: string
        }
        Update: {
          created_at?: string
          enabled?: boolean
          max_dead_fraction?: number | null
          relation?: unknown
          relation_name?: string
        }
        Relationships: []
      }
      view_refreshes: {
        Row: {
          dead_rows: number | null
          detail: string
          duration_ms: number
          error: Json | null
          id: number
          mode: string | null
          reason: string
          row_count: number | null
          run_id: string | null
          size_bytes: number | null
          started_at: string
          status: string
          view: unknown
          view_name: string
          describe_refresh: Json | null
        }
        Insert: {
          dead_rows?: number | null
          detail: string
          duration_ms: number
          error?: Json | null
          id?: never
          mode?: string | null
          reason: string
          row_count?: number | null
          run_id?: string | null
          size_bytes?: number | null
          started_at: string
          status: string
          view: unknown
          view_name: string
        }
        Update: {
          dead_rows?: number | null
          detail?: string
          duration_ms?: number
          error?: Json | null
          id?: never
          mode?: string | null
          reason?: string
          row_count?: number | null
          run_id?: string | null
          size_bytes?: number | null
          started_at?: string
          status?: string
          view?: unknown
          view_name?: string
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      active_arbiter: {
        Args: { conflict_columns: string; relation: unknown }
        Returns: Record<string, unknown>
      }
      active_index: {
        Args: {
          columns: string
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
        }
        Returns: unknown
      }
      add_counts: { Args: { a: Json; b: Json }; Returns: Json }
      add_key: {
        Args: { key: unknown; policy: unknown; role: string }
        Returns: undefined
      }
      add_key_query: {
        Args: { max_ms: number; name: string; sql: string }
        Returns: Json
      }
      add_partition_policy: {
        Args: {
          enabled?: boolean
          epoch?: string
          every: string
          grace?: string
          max_fraction?: number
          parent: unknown
          partition_schema?: unknown
          premake?: number
          retention?: string
          retire?: string
        }
        Returns: Json
      }
      add_refresh_policy: {
        Args: {
          allow_blocking?: boolean
          enabled?: boolean
          max_staleness?: string
          view: unknown
        }
        Returns: Json
      }
      add_released: {
        Args: { counts: Json; relation: string; steps: Json }
        Returns: Json
      }
      add_retention_policy: {
        Args: {
          allow_short?: boolean
          drop_after: string
          enabled?: boolean
          first_purge?: string
          flag_column?: unknown
          keep?: string[]
          marker_column?: unknown
          max_fraction?: number
          relation: unknown
          release?: string[]
          with_children?: string[]
        }
        Returns: Json
      }
      add_vacuum_policy: {
        Args: {
          enabled?: boolean
          max_dead_fraction?: number
          relation: unknown
        }
        Returns: Json
      }
      admit_caller: {
        Args: { action: string; caller: string }
        Returns: boolean
      }
      adopt_refresh_policies: {
        Args: {
          allow_blocking?: boolean
          max_staleness?: string
          schema: string
        }
        Returns: Json
      }
      advice_for_supabase_table: {
        Args: { relation: unknown }
        Returns: string
      }
      all_leaf_relations: { Args: { relation: unknown }; Returns: unknown[] }
      alter_key_query: {
        Args: { max_ms?: number; name: string; sql?: string }
        Returns: Json
      }
      alter_partition_policy: {
        Args: {
          enabled?: boolean
          every?: string
          grace?: string
          max_fraction?: number
          parent: unknown
          partition_schema?: unknown
          premake?: number
          retention?: string
          retire?: string
        }
        Returns: Json
      }
      alter_refresh_policy: {
        Args: {
          allow_blocking?: boolean
          enabled?: boolean
          max_staleness?: string
          view: unknown
        }
        Returns: Json
      }
      alter_retention_policy: {
        Args: {
          allow_short?: boolean
          drop_after?: string
          enabled?: boolean
          first_purge?: string
          flag_column?: unknown
          keep?: string[]
          marker_column?: unknown
          max_fraction?: number
          relation: unknown
          release?: string[]
          with_children?: string[]
        }
        Returns: Json
      }
      alter_vacuum_policy: {
        Args: {
          enabled?: boolean
          max_dead_fraction?: number
          relation: unknown
        }
        Returns: Json
      }
      announce_changes: { Args: { relation: unknown }; Returns: undefined }
      api_roles: { Args: Record<PropertyKey, never>; Returns: unknown[] }
      application_owners: {
        Args: Record<PropertyKey, never>
        Returns: unknown[]
      }
      application_tables: {
        Args: Record<PropertyKey, never>
        Returns: unknown[]
      }
      apply_brake: {
        Args: {
          rows_to_delete: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: undefined
      }
      are_related: { Args: { one: unknown; other: unknown }; Returns: boolean }
      assess_health: {
        Args: { as_of: string; only_checks: string[]; quick: boolean }
        Returns: Json
      }
      assess_partitions: {
        Args: { as_of?: string; parents: unknown[] }
        Returns: Database["nightshift"]["CompositeTypes"]["partition_state"][]
        SetofOptions: {
          from: "*"
          to: "partition_state"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      assess_view: {
        Args: {
          as_of?: string
          composites?: unknown[]
          counted_until?: string
          force?: boolean
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: Json
      }
      autovacuum_of: { Args: { view: unknown }; Returns: string }
      begin_detach: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          run_id: string
          table_name: string
        }
        Returns: Json
      }
      begin_reindex: {
        Args: { fence: number; index_name: string; run_id: string }
        Returns: Json
      }
      begin_run: {
        Args: {
          as_of?: string
          dry_run?: boolean
          idempotency_key?: string
          input?: Json
          job: string
          lease_seconds?: number
          request_id?: string
          requested_by?: string
          trigger: string
        }
        Returns: Json
      }
      begin_vacuum: {
        Args: { fence: number; run_id: string; table_name: string }
        Returns: Json
      }
      bound_of_time: {
        Args: { at: string; epoch: string; type: unknown }
        Returns: string
      }
      brake: {
        Args: {
          going: Json
          policy_relation: unknown
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: string
      }
      call_for_role: {
        Args: { key: unknown; policy: unknown; role: string }
        Returns: string
      }
      called_functions: {
        Args: { query: string }
        Returns: {
          calls: string
          function: unknown
        }[]
      }
      calling_user: { Args: Record<PropertyKey, never>; Returns: string }
      can_be_referenced: { Args: { relation: unknown }; Returns: boolean }
      cancel_run: {
        Args: { requested_by?: string; run_id: string }
        Returns: Json
      }
      cancellation: {
        Args: { requested_at: string; requested_by: string }
        Returns: Json
      }
      cascade_keys: {
        Args: { cascade: string[]; relation: unknown }
        Returns: unknown[]
      }
      check_health: {
        Args: {
          fence: number
          only_checks?: string[]
          quick?: boolean
          run_id: string
        }
        Returns: Json
      }
      check_key_query: {
        Args: {
          declared: Database["nightshift"]["Tables"]["key_queries"]["Row"]
        }
        Returns: {
          created_at: string
          max_ms: number
          name: string
          sql: string
        }
        SetofOptions: {
          from: "nightshift.key_queries"
          to: "key_queries"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      check_lease: {
        Args: { fence: number; run_id: string }
        Returns: {
          attempt: number
          cancel_requested_at: string | null
          cancel_requested_by: string | null
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
          request_id: string
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
      check_partition_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
        }
        Returns: undefined
      }
      check_partition_sizes: { Args: { parent?: unknown }; Returns: Json }
      check_purgeable: {
        Args: { relation: unknown; what: string }
        Returns: undefined
      }
      check_refresh_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: undefined
      }
      check_release: { Args: { key: unknown }; Returns: undefined }
      check_retention_policy: {
        Args: {
          allow_short: boolean
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: undefined
      }
      check_soft_delete: {
        Args: {
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
        }
        Returns: undefined
      }
      check_vacuum_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["vacuum_policies"]["Row"]
        }
        Returns: undefined
      }
      child_condition: {
        Args: {
          as_of: string
          child: unknown
          depth?: number
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: string
      }
      children_of_slice: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          policy_relation: unknown
        }
        Returns: Record<string, unknown>
      }
      choose_due_rows: {
        Args: {
          batch_rows: number
          cursor: Json
          due: string
          leaf: unknown
          locking: string
          marker_column: unknown
        }
        Returns: Record<string, unknown>
      }
      closures_of: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          max_members: number
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Record<string, unknown>
      }
      code_in_context: {
        Args: { context: string }
        Returns: {
          depth: number
          function: unknown
          line: number
        }[]
      }
      column_definition_type: {
        Args: { column_name: unknown; relation: unknown }
        Returns: string
      }
      column_type: {
        Args: { column_name: unknown; relation: unknown }
        Returns: unknown
      }
      columns_named: {
        Args: { names: string; relation: unknown }
        Returns: string
      }
      columns_referred: {
        Args: {
          alias: string
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          relation: unknown
        }
        Returns: string
      }
      comparison_operator: {
        Args: { strategy: number; type_id: unknown }
        Returns: unknown
      }
      composite_types: { Args: Record<PropertyKey, never>; Returns: unknown[] }
      condition_in_sql: {
        Args: { condition: Json; relation: unknown }
        Returns: string
      }
      constant_default: {
        Args: { column_name: unknown; relation: unknown }
        Returns: string
      }
      consume_wake: {
        Args: { job: string; nonce: string; project_url: string }
        Returns: Json
      }
      copy_after_attach: {
        Args: { model: unknown; parent: unknown; partition: unknown }
        Returns: Json
      }
      copy_grants: {
        Args: { parent: unknown; partition: unknown }
        Returns: undefined
      }
      copy_settings: {
        Args: { model: unknown; parent: unknown; partition: unknown }
        Returns: undefined
      }
      count_between: {
        Args: {
          bounds: string[]
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          relation: unknown
        }
        Returns: {
          lower: string
          row_count: number
          upper: string
        }[]
      }
      count_deleted: {
        Args: { deleted: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: {
          child: unknown
          n: number
          policy: unknown
        }[]
      }
      count_held: {
        Args: {
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          step: Json
        }
        Returns: Json
      }
      count_movable_rows: {
        Args: {
          as_of: string
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
        }
        Returns: number
      }
      count_released: {
        Args: {
          released: Database["nightshift"]["CompositeTypes"]["released_row"][]
        }
        Returns: Json
      }
      count_rows: {
        Args: { sets: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: number
      }
      counted: {
        Args: { relation: unknown; uncounted: number }
        Returns: string
      }
      counted_until: { Args: { as_of?: string }; Returns: string }
      covering_policy: {
        Args: { relation: unknown; scope: unknown[] }
        Returns: {
          created_at: string
          drop_after: string
          enabled: boolean
          first_purge: string | null
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          relation_name: string | null
        }
        SetofOptions: {
          from: "*"
          to: "retention_policies"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      create_by_state: {
        Args: {
          max_lock: string
          max_rows: number
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          state: Database["nightshift"]["CompositeTypes"]["partition_state"]
        }
        Returns: Json
      }
      create_missing_partitions: {
        Args: {
          as_of?: string
          max_lock?: string
          max_rows?: number
          parent: unknown
        }
        Returns: Json
      }
      create_partition: {
        Args: {
          default_partition: unknown
          from_bound: string
          key_column: unknown
          lower: string
          model: unknown
          parent_name: string
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          to_bound: string
        }
        Returns: Json
      }
      create_partitions: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          max_lock_ms?: number
          max_rows?: number
          run_id: string
          tables: string[]
        }
        Returns: Json
      }
      cron_jobs: {
        Args: Record<PropertyKey, never>
        Returns: {
          active: boolean
          id: number
          name: string
        }[]
      }
      current_troubles: {
        Args: { as_of: string }
        Returns: {
          checks: string[]
          key: string
          kind: string
          opens: boolean
          subject: string
          text: string
        }[]
      }
      daily_points: {
        Args: { as_of: string; days: number; kind: string; subject: string }
        Returns: {
          bytes: number
          connections: number
          day: string
          dead_rows: number
          duration_ms: number
          live_rows: number
          rows_left: number
        }[]
      }
      dead_rows: { Args: { relations: unknown[] }; Returns: number }
      declare_cascades: {
        Args: { cascade: string[]; relation: unknown }
        Returns: undefined
      }
      declare_health_check: {
        Args: {
          critical?: number
          healthy: string
          info?: number
          name: string
          quick?: boolean
          title: string
          unit: string
          warning?: number
          why: string
          worse?: string
        }
        Returns: undefined
      }
      declare_job: {
        Args: {
          name: string
          policies?: unknown
          purpose: string
          runs_kept?: string
          runs_while_paused?: boolean
        }
        Returns: undefined
      }
      declare_keys: {
        Args: {
          keep: string[]
          policy: unknown
          release: string[]
          with_children: string[]
        }
        Returns: undefined
      }
      declared_since: {
        Args: { job: Database["nightshift"]["Tables"]["jobs"]["Row"] }
        Returns: string
      }
      default_schedules: {
        Args: Record<PropertyKey, never>
        Returns: {
          cron: string
          input: Json
          job: string
          name: string
        }[]
      }
      delete_by_halves: {
        Args: {
          component: unknown[]
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          rows_to_delete: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
        }
        Returns: Record<string, unknown>
      }
      delete_closure: {
        Args: {
          component: unknown[]
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          released: Database["nightshift"]["CompositeTypes"]["released_row"][]
          rows_to_delete: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
        }
        Returns: Record<string, unknown>
      }
      delete_rows: {
        Args: {
          rows_to_delete: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
          try_names?: Json
        }
        Returns: string
      }
      delete_slice: {
        Args: {
          cascading: unknown[]
          condition: string
          deletes: string
          leaf: unknown
          referred: string
          slice: string
        }
        Returns: Record<string, unknown>
      }
      deleted_parent: {
        Args: { keys: Json; relation: unknown }
        Returns: unknown
      }
      deleted_since: {
        Args: { after?: string; relation: unknown }
        Returns: Json
      }
      deleted_so_far: { Args: { relations: unknown[] }; Returns: number }
      deletion_actor: { Args: { given: string }; Returns: string }
      deletion_hash: { Args: { keys: Json; tables: Json }; Returns: string }
      deletion_operation: { Args: { given: string }; Returns: string }
      deletion_stats: {
        Args: { as_of?: string; relation: unknown }
        Returns: Json
      }
      deletions_since: {
        Args: {
          after_id: number
          after_transaction: unknown
          relation: unknown
        }
        Returns: Record<string, unknown>[]
      }
      describe_busy: { Args: { detail: string }; Returns: Json }
      describe_ddl_failure: {
        Args: {
          context: string
          hint: string
          message: string
          rows_moved: boolean
          state: string
          statement: string
        }
        Returns: Json
      }
      describe_declaration: {
        Args: {
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      describe_declared_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: Json
      }
      describe_declared_query: {
        Args: { query: Database["nightshift"]["Tables"]["key_queries"]["Row"] }
        Returns: Json
      }
      describe_delete_triggers: {
        Args: { relation: unknown }
        Returns: string[]
      }
      describe_duration: { Args: { as_of: string; job: string }; Returns: Json }
      describe_failure: {
        Args: { context: string; state: string; what: string }
        Returns: string
      }
      describe_growth: {
        Args: { as_of: string; kind: string; subject: string }
        Returns: Json
      }
      describe_health_check: {
        Args: {
          health_check: Database["nightshift"]["Tables"]["health_checks"]["Row"]
        }
        Returns: Json
      }
      describe_holders: {
        Args: {
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      describe_holding_keys: {
        Args: { policy: unknown; scope: unknown[] }
        Returns: Json
      }
      describe_index: { Args: { index: unknown }; Returns: Json }
      describe_installation: { Args: Record<PropertyKey, never>; Returns: Json }
      describe_jobs: { Args: { as_of?: string }; Returns: Json }
      describe_key_queries: { Args: { as_of?: string }; Returns: Json }
      describe_leftovers: { Args: { report: Json }; Returns: string }
      describe_needs: { Args: { step: Json }; Returns: string }
      describe_partition_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
        }
        Returns: Json
      }
      describe_partition_sets: {
        Args: { as_of?: string; parents: unknown[] }
        Returns: {
          document: Json
          parent: unknown
        }[]
      }
      describe_refresh: {
        Args: {
          refresh: Database["nightshift"]["Tables"]["view_refreshes"]["Row"]
        }
        Returns: Json
      }
      describe_refresh_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: Json
      }
      describe_retention_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      describe_retired: {
        Args: {
          record: Database["nightshift"]["Tables"]["retired_partitions"]["Row"]
        }
        Returns: Json
      }
      describe_run: {
        Args: { run: Database["nightshift"]["Tables"]["runs"]["Row"] }
        Returns: Json
      }
      describe_status: { Args: { as_of: string }; Returns: Json }
      describe_step: {
        Args: { step: Database["nightshift"]["CompositeTypes"]["ddl_step"] }
        Returns: Json
      }
      describe_table_trend: {
        Args: { as_of: string; subject: string }
        Returns: Json
      }
      describe_trends: {
        Args: { as_of?: string; only_table?: string }
        Returns: Json
      }
      describe_vacuum_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["vacuum_policies"]["Row"]
        }
        Returns: Json
      }
      describe_vacuum_state: {
        Args: {
          state: Database["nightshift"]["CompositeTypes"]["vacuum_state"]
        }
        Returns: Json
      }
      describe_view: {
        Args: {
          as_of: string
          assessed: Json
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: Json
      }
      disable_soft_delete: {
        Args: { deleted_rows?: string; relation: unknown }
        Returns: Json
      }
      drop_exclusion: { Args: { parent: unknown }; Returns: undefined }
      drop_inherited_keys: {
        Args: { parent: unknown; partition: unknown }
        Returns: undefined
      }
      drop_retired_partitions: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          partitions: string[]
          run_id: string
        }
        Returns: Json
      }
      due_by_marker: {
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
      due_by_policy: {
        Args: {
          as_of: string
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          row_alias: string
        }
        Returns: string
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
      duplicates_query: {
        Args: {
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
          unique_among_active: string[]
        }
        Returns: string
      }
      edges_to_children: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>[]
      }
      edges_to_parents: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>[]
      }
      enable_soft_delete: {
        Args: {
          active_indexes?: string[]
          by_column?: unknown
          cascade?: string[]
          drop_after?: string
          dry_run?: boolean
          flag_column?: unknown
          for_users?: boolean
          guard?: boolean
          hide?: boolean
          marker_column?: unknown
          realtime?: boolean
          reason_column?: unknown
          relation: unknown
          unique_among_active?: string[]
          views?: boolean
        }
        Returns: Json
      }
      encrypt_deletion_events: {
        Args: { secret_name: string }
        Returns: undefined
      }
      estimate_bloat: {
        Args: { floor_bytes: number; only_relations: unknown[] }
        Returns: {
          bloat_bytes: number
          kind: string
          relation: unknown
          size_bytes: number
          table_oid: unknown
        }[]
      }
      estimate_rows: {
        Args: { condition: string; leaf: unknown }
        Returns: number
      }
      exclude_from_default: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          run_id: string
          table_name: string
          validate_ms: number
        }
        Returns: Json
      }
      exclusion_of: {
        Args: { parent: unknown }
        Returns: Record<string, unknown>
      }
      explain_attach_failure: {
        Args: {
          constraint_name: string
          record: Database["nightshift"]["Tables"]["retired_partitions"]["Row"]
          said: string
          state: string
          table_name: string
        }
        Returns: Record<string, unknown>
      }
      explain_key_query: {
        Args: { query: string; run_it: boolean }
        Returns: Json
      }
      extend_lease: {
        Args: { fence: number; run_id: string }
        Returns: {
          attempt: number
          cancel_requested_at: string | null
          cancel_requested_by: string | null
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
          request_id: string
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
      extension_function: {
        Args: { arguments: string; extension: unknown; function_name: unknown }
        Returns: string
      }
      failure_in_words: {
        Args: { said: string; state: string }
        Returns: string
      }
      fates_of: {
        Args: {
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          staying: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
      }
      figure: { Args: { value: number }; Returns: string }
      find_covered_rows: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      find_due_among: {
        Args: {
          leaf: unknown
          newer_than?: string
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
          tids: unknown[]
        }
        Returns: unknown[]
      }
      find_key_query: {
        Args: { name: string }
        Returns: {
          created_at: string
          max_ms: number
          name: string
          sql: string
        }
        SetofOptions: {
          from: "*"
          to: "key_queries"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      find_keys: {
        Args: {
          entry: string
          keys?: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          policy: unknown
        }
        Returns: unknown[]
      }
      find_moved_rows: {
        Args: { rows: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: Database["nightshift"]["CompositeTypes"]["moved_row"][]
      }
      find_needed_rows: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          released: Database["nightshift"]["CompositeTypes"]["row_set"][]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run_id: string
          staying?: string[]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
        SetofOptions: {
          from: "*"
          to: "held_row"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      find_needed_with: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          wanted: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      find_references: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          referenced: Database["nightshift"]["CompositeTypes"]["row_set"][]
          referencing: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: {
          policy: unknown
          referencing_relation: unknown
          referencing_tid: unknown
          relation: unknown
          tid: unknown
        }[]
      }
      find_refresh: {
        Args: { run_id: string; view: unknown }
        Returns: {
          dead_rows: number | null
          detail: string
          duration_ms: number
          error: Json | null
          id: number
          mode: string | null
          reason: string
          row_count: number | null
          run_id: string | null
          size_bytes: number | null
          started_at: string
          status: string
          view: unknown
          view_name: string
        }
        SetofOptions: {
          from: "*"
          to: "view_refreshes"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      find_refresh_policy: {
        Args: { name: string }
        Returns: {
          allow_blocking: boolean
          created_at: string
          data_as_of: string | null
          enabled: boolean
          last_refresh_ms: number | null
          last_refreshed_at: string | null
          max_staleness: string
          state: Json | null
          view: unknown
          view_name: string
        }
        SetofOptions: {
          from: "*"
          to: "refresh_policies"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      find_refusing_rows: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
          stop_at: string
        }
        Returns: Record<string, unknown>
      }
      find_relation: { Args: { name: string }; Returns: unknown }
      find_released_rows: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          max_rows: number
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run_id: string
        }
        Returns: Database["nightshift"]["CompositeTypes"]["released_row"][]
      }
      find_rows: {
        Args: {
          as_given?: boolean
          keys: Json
          relation: unknown
          row_lock: string
        }
        Returns: Record<string, unknown>
      }
      find_run: { Args: { id: string }; Returns: Json }
      find_stranger: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>
      }
      find_unled_rows: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          policies: unknown[]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      find_vacuum_policy: {
        Args: { name: string }
        Returns: {
          created_at: string
          enabled: boolean
          max_dead_fraction: number | null
          relation: unknown
          relation_name: string
        }
        SetofOptions: {
          from: "*"
          to: "vacuum_policies"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      find_view: { Args: { name: string }; Returns: unknown }
      finish_detach: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          partition: string
          run_id: string
        }
        Returns: Json
      }
      finish_reindex: {
        Args: { fence: number; index_name: string; run_id: string }
        Returns: Json
      }
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
      finish_vacuum: {
        Args: {
          fence: number
          run_id: string
          table_name: string
          timed_out?: boolean
        }
        Returns: Json
      }
      fires_triggers: {
        Args: {
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          scope: unknown[]
        }
        Returns: boolean
      }
      fix_of_leftovers: { Args: { report: Json }; Returns: string }
      fix_of_stale_view: {
        Args: {
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: string
      }
      fix_of_step: { Args: { step: Json }; Returns: string }
      follow_moved_rows: {
        Args: {
          moved: Database["nightshift"]["CompositeTypes"]["moved_row"][]
          run_id: string
        }
        Returns: undefined
      }
      follow_released: {
        Args: {
          released: Database["nightshift"]["CompositeTypes"]["released_row"][]
          run_id: string
          scope: unknown[]
        }
        Returns: Record<string, unknown>
      }
      follow_rename: {
        Args: { former_name: string; relation: unknown }
        Returns: undefined
      }
      follow_renames: { Args: Record<PropertyKey, never>; Returns: undefined }
      follow_rows: {
        Args: { rows: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      follow_tables: { Args: Record<PropertyKey, never>; Returns: undefined }
      forced_names: {
        Args: { run: Database["nightshift"]["Tables"]["runs"]["Row"] }
        Returns: string[]
      }
      forecast_full: {
        Args: { as_of: string }
        Returns: {
          earliest_days: number
          latest_days: number
          limit_bytes: number
          limit_kind: string
          points: number
          state: string
          used_bytes: number
          used_percent: number
          wal_bytes: number
        }[]
      }
      forget_decisions: { Args: Record<PropertyKey, never>; Returns: undefined }
      forget_starts: {
        Args: { before: string; cron_jobs: number[] }
        Returns: undefined
      }
      free_partition_name: {
        Args: { parent: unknown; schema: unknown; suffix: string }
        Returns: unknown
      }
      freeze_limit: { Args: { kind: string }; Returns: number }
      get_health: {
        Args: { as_of?: string; only_checks?: string[]; quick?: boolean }
        Returns: Json
      }
      get_run: { Args: { run_id: string }; Returns: Json }
      gone_of: { Args: { policy: unknown; step: Json }; Returns: Json }
      grant_of_refresh: {
        Args: { role_name: unknown; view: unknown }
        Returns: string
      }
      growth_of: {
        Args: { as_of: string; kind: string; subject: string }
        Returns: {
          bytes_per_day_28: number
          bytes_per_day_7: number
          points: number
          step_bytes: number
          step_on: string
        }[]
      }
      guard_steps: {
        Args: { guarded_keys?: unknown[]; relation: unknown }
        Returns: Database["nightshift"]["CompositeTypes"]["ddl_step"][]
        SetofOptions: {
          from: "*"
          to: "ddl_step"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      hand_over: { Args: { owner: unknown }; Returns: undefined }
      has_due_rows: {
        Args: { due: string; leaf: unknown; marker_column: unknown }
        Returns: boolean
      }
      health_backlog_age: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_backlog_growth: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_blocked_sessions: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_cache_hit: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_connections: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_database_growth: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_database_size: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_days_until_full: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_dead_tuples: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_default_partition_rows: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_duplicate_indexes: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_failed_restores: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_foreign_keys_without_index: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_hidden_partitions: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_idle_in_transaction: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_inactive_replication_slots: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_invalid_indexes: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_job_missed: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_jobs_failing: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_jobs_lost: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_jobs_partial: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_key_queries: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_late_schedules: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_ledger_size: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_level: {
        Args: {
          critical: number
          info: number
          value: number
          warning: number
          worse: string
        }
        Returns: string
      }
      health_long_transactions: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_nightshift_exposed: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_oversized_partitions: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_partition_horizon: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_partitions_without_rls: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_paused: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_policies_broken: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_read_only: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_replication_lag: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_sequences: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_slow_statements: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_slower_key_queries: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_soft_deleted_share: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_soft_deletes: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_stale_views: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_transaction_id_age: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_unused_indexes: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_views_exposed: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      health_views_not_populated: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        SetofOptions: {
          from: "*"
          to: "health_measure"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      heartbeat_run: { Args: { fence: number; run_id: string }; Returns: Json }
      held_partition_policy: {
        Args: { name: string }
        Returns: {
          created_at: string
          enabled: boolean
          epoch: string | null
          every: string
          grace: string
          max_fraction: number
          parent: unknown
          parent_name: string
          partition_schema: unknown
          premake: number
          retention: string | null
          retire: string
        }
        SetofOptions: {
          from: "*"
          to: "partition_policies"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      held_retention_policy: {
        Args: { relation: unknown }
        Returns: {
          created_at: string
          drop_after: string
          enabled: boolean
          first_purge: string | null
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          relation_name: string | null
        }
        SetofOptions: {
          from: "*"
          to: "retention_policies"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      held_rows: { Args: { step: Json }; Returns: Json }
      hint_for_flag: {
        Args: { flag_column: unknown; relation: unknown }
        Returns: string
      }
      hint_for_marker: {
        Args: { drop_after: string; marker_column: unknown; relation: unknown }
        Returns: string
      }
      hint_for_owner: {
        Args: { otherwise: string; owner: unknown }
        Returns: string
      }
      history_names: { Args: { relation: unknown }; Returns: string[] }
      history_secret: { Args: Record<PropertyKey, never>; Returns: string }
      hold_at_once: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          max_rows: number
          policies: unknown[]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
      }
      hold_cascades: {
        Args: { rows: Database["nightshift"]["CompositeTypes"]["row_set"][] }
        Returns: undefined
      }
      hold_keys: {
        Args: {
          before?: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          locking: boolean
          policies: unknown[]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["purge_key"][]
      }
      hold_parents: {
        Args: { keys: Json; relation: unknown; skip_locked?: boolean }
        Returns: Record<string, unknown>
      }
      hold_partition_run: {
        Args: { fence: number; lock_timeout_ms: number; run_id: string }
        Returns: {
          attempt: number
          cancel_requested_at: string | null
          cancel_requested_by: string | null
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
          request_id: string
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
      hold_run: {
        Args: { fence: number; run_id: string }
        Returns: {
          attempt: number
          cancel_requested_at: string | null
          cancel_requested_by: string | null
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
          request_id: string
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
      http_answer: {
        Args: { request: number; since: string }
        Returns: Record<string, unknown>
      }
      http_post: { Args: { body: Json; url: string }; Returns: number }
      in_days: { Args: { every: string }; Returns: string }
      index_columns: {
        Args: { index: unknown }
        Returns: Record<string, unknown>[]
      }
      index_definition: { Args: { index: unknown }; Returns: string }
      index_for_key: { Args: { key: unknown }; Returns: string }
      index_serves_key: {
        Args: { index: unknown; key: unknown }
        Returns: boolean
      }
      indexed_as: {
        Args: { column_name: unknown; relation: unknown }
        Returns: string
      }
      inspect_soft_delete: { Args: { relation?: unknown }; Returns: Json }
      interval_start: { Args: { at: string; every: string }; Returns: string }
      intervals_of: {
        Args: { every: string; period: unknown }
        Returns: {
          lower: string
          upper: string
        }[]
      }
      is_active_condition: {
        Args: {
          condition: string
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
        }
        Returns: boolean
      }
      is_forced: {
        Args: {
          relation: unknown
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: boolean
      }
      is_large: { Args: { relation: unknown }; Returns: boolean }
      is_of_realtime: { Args: { owner: unknown }; Returns: boolean }
      is_published: { Args: { relation: unknown }; Returns: boolean }
      is_set_by_default: {
        Args: { column_name: unknown; relation: unknown }
        Returns: boolean
      }
      job_states: {
        Args: { as_of: string }
        Returns: Database["nightshift"]["CompositeTypes"]["job_state"][]
        SetofOptions: {
          from: "*"
          to: "job_state"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      join_condition: { Args: { key: unknown }; Returns: string }
      join_conditions: {
        Args: { keys: unknown[] }
        Returns: {
          condition: string
          key: unknown
        }[]
      }
      json_number: { Args: { value: number }; Returns: number }
      judge_health: {
        Args: {
          health_check: Database["nightshift"]["Tables"]["health_checks"]["Row"]
          measures: Database["nightshift"]["CompositeTypes"]["health_measure"][]
        }
        Returns: Json
      }
      judge_key_query: {
        Args: {
          min_ms: number
          plan: string
          usual: Database["nightshift"]["CompositeTypes"]["usual_time"]
        }
        Returns: string
      }
      key_collation: {
        Args: { referenced: unknown; referencing: unknown }
        Returns: unknown
      }
      key_columns: { Args: { key: unknown }; Returns: string }
      key_in_words: { Args: { key: unknown }; Returns: string }
      key_joins: {
        Args: { keys: unknown[] }
        Returns: {
          condition: string
          key: unknown
          referenced_leaves: unknown[]
          referenced_scan: string
          referencing_leaves: unknown[]
          referencing_scan: string
        }[]
      }
      key_of: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>[]
      }
      key_query_states: {
        Args: { as_of: string }
        Returns: {
          blocks_hit: number
          blocks_read: number
          created_at: string
          failure: string
          is_confirmed: boolean
          max_ms: number
          measured_at: string
          median_ms: number
          min_ms: number
          name: string
          plan: string
          runs: number
          since: string
          stopped_ms: number
          usual_ms: number
          usual_plan: string
          verdict: string
        }[]
      }
      keys_asked: {
        Args: { key_names: unknown[]; keys: Json; relation: unknown }
        Returns: Json
      }
      keys_in_words: { Args: { policy: unknown; role: string }; Returns: Json }
      keys_to_parents: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>[]
      }
      known_decisions: {
        Args: {
          leaf: unknown
          policy: unknown
          run_id: string
          tids: unknown[]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
      }
      last_health_levels: { Args: { as_of: string }; Returns: Json }
      last_step: { Args: { days: string[]; sizes: number[] }; Returns: string }
      leaf_relations: { Args: { relation: unknown }; Returns: unknown[] }
      left_alone: {
        Args: { as_of: string; relation: unknown; row_alias: string }
        Returns: Record<string, unknown>
      }
      level_rank: { Args: { level: string }; Returns: number }
      list_deletion_events: {
        Args: {
          before?: number
          max_events?: number
          relation?: unknown
          since?: string
        }
        Returns: Json[]
      }
      list_key_queries: { Args: Record<PropertyKey, never>; Returns: Json }
      list_partition_policies: { Args: { as_of?: string }; Returns: Json }
      list_refresh_policies: { Args: { as_of?: string }; Returns: Json }
      list_retention_policies: {
        Args: { as_of?: string; budget_ms?: number }
        Returns: Json
      }
      list_runs: { Args: { job?: string; max_runs?: number }; Returns: Json }
      list_schedules: { Args: Record<PropertyKey, never>; Returns: Json }
      list_vacuum_policies: { Args: Record<PropertyKey, never>; Returns: Json }
      listed_names: { Args: { list: string }; Returns: string[] }
      lock_for_change: {
        Args: { default_partition: unknown; parent: unknown }
        Returns: undefined
      }
      lock_for_creation: {
        Args: { parent: unknown }
        Returns: {
          created_at: string
          enabled: boolean
          epoch: string | null
          every: string
          grace: string
          max_fraction: number
          parent: unknown
          parent_name: string
          partition_schema: unknown
          premake: number
          retention: string | null
          retire: string
        }
        SetofOptions: {
          from: "*"
          to: "partition_policies"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      lock_holder: {
        Args: { age: string; modes: string[]; relations: unknown[] }
        Returns: Json
      }
      lock_in_turn: {
        Args: { modes: string[]; relations: unknown[] }
        Returns: undefined
      }
      lock_rows: {
        Args: {
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      lock_slice: {
        Args: { condition: string; leaf: unknown; slice: string }
        Returns: Record<string, unknown>
      }
      mark_due: { Args: { schedule_name: string }; Returns: undefined }
      mark_lost_runs: {
        Args: { as_of: string; job: string }
        Returns: string[]
      }
      marker_is_indexed: {
        Args: { due: string; marker_column: unknown; relation: unknown }
        Returns: boolean
      }
      marker_walk: {
        Args: { due: string; leaf: unknown; marker_column: unknown }
        Returns: string
      }
      may_be_left_alone: {
        Args: { as_of: string; leaf: unknown }
        Returns: boolean
      }
      may_exceed: {
        Args: {
          backlog: Json
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: boolean
      }
      may_go_unseen: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          leaf: unknown
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: boolean
      }
      may_refresh: {
        Args: { role_name: unknown; view: unknown }
        Returns: boolean
      }
      may_vacuum: {
        Args: { relation: unknown; role_name: unknown }
        Returns: boolean
      }
      measure_backlog: {
        Args: {
          as_of: string
          budget_ms?: number
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          sample_due?: boolean
        }
        Returns: Json
      }
      measure_children: {
        Args: {
          as_of: string
          budget_ms?: number
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      measure_default_partition: {
        Args: { fence: number; run_id: string; table_name: string }
        Returns: Json
      }
      measure_for_run: {
        Args: {
          relation: string
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: Json
      }
      measure_key_query: {
        Args: { fence: number; query_name: string; run_id: string }
        Returns: Json
      }
      measure_leaves: {
        Args: {
          as_of: string
          due: string
          leaves: unknown[]
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          stop_at: string
        }
        Returns: Record<string, unknown>
      }
      measure_references: {
        Args: {
          as_of: string
          budget_ms: number
          due_rows: number
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      measure_retention_backlog: {
        Args: { fence: number; relation: string; run_id: string }
        Returns: Json
      }
      measure_retention_backlogs: {
        Args: { fence: number; relations: string[]; run_id: string }
        Returns: Json
      }
      measure_retention_rest: {
        Args: { fence: number; relation: string; run_id: string }
        Returns: Json
      }
      members_between: {
        Args: {
          ends: number[]
          first: number
          given_up: number[]
          last: number
          members: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      move_rows: {
        Args: {
          columns: string
          default_partition: unknown
          from_bound: string
          key_column: unknown
          target: unknown
          to_bound: string
        }
        Returns: number
      }
      multixact_members: { Args: Record<PropertyKey, never>; Returns: number }
      mute_triggers: { Args: { relation: unknown }; Returns: Json }
      name_refusal: {
        Args: {
          context: string
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          state: string
          violated: string
        }
        Returns: string
      }
      name_some: { Args: { relations: unknown[] }; Returns: string }
      name_triggers: {
        Args: { place?: string; relation: unknown; triggers: unknown[] }
        Returns: string
      }
      next_leaf: {
        Args: {
          as_of: string
          done: unknown
          due: string
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Json
      }
      next_part_of_index: {
        Args: { index: unknown }
        Returns: Record<string, unknown>
      }
      next_seeds: {
        Args: {
          batch_rows: number
          locking: boolean
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          step: Json
        }
        Returns: Record<string, unknown>
      }
      next_slice: {
        Args: {
          cursor: Json
          due: string
          flag_column: unknown
          leaf: unknown
          marker_column: unknown
          rest: string
          size: number
        }
        Returns: Record<string, unknown>
      }
      note_answer: {
        Args: { schedule: Database["nightshift"]["Tables"]["schedules"]["Row"] }
        Returns: {
          answer: string | null
          cron: string
          due_at: string | null
          input: NonNullable<Json>
          job: string
          name: string
          nonce: string | null
          posted_at: string | null
          posts: number
          request: number | null
          waiting_since: string | null
          woken_for: string | null
        }
        SetofOptions: {
          from: "nightshift.schedules"
          to: "schedules"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      note_assessment: {
        Args: {
          finished: boolean
          relation: unknown
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          step: Json
        }
        Returns: string
      }
      note_decisions: {
        Args: {
          deleted: Database["nightshift"]["CompositeTypes"]["row_set"][]
          fate_of_deleted: string
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          in_circle: boolean
          level: number
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          seeds: Database["nightshift"]["CompositeTypes"]["row_set"][]
          turn: unknown
          waiting: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
      }
      note_detaching: {
        Args: {
          partition: unknown
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          run_id: string
        }
        Returns: undefined
      }
      note_durations: { Args: Record<PropertyKey, never>; Returns: undefined }
      note_partitions: {
        Args: { entries: Json; kind: string; run_id: string }
        Returns: undefined
      }
      note_released: {
        Args: {
          deleted: Database["nightshift"]["CompositeTypes"]["row_set"][]
          released: Database["nightshift"]["CompositeTypes"]["released_row"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
          steps: Json
          turn: unknown
        }
        Returns: Json
      }
      note_tables: { Args: { this_hour: string }; Returns: undefined }
      note_told: { Args: { trouble_ids: number[] }; Returns: undefined }
      note_trends: {
        Args: { as_of: string; database_bytes: number }
        Returns: undefined
      }
      note_unchanged: { Args: { assessed: Json }; Returns: undefined }
      nothing_left: {
        Args: {
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: Json
      }
      old_transaction: {
        Args: { before: string; relation: unknown }
        Returns: Json
      }
      oldest_due: {
        Args: {
          as_of: string
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: string
      }
      only_kept: { Args: { step: Json }; Returns: boolean }
      only_needed: { Args: { step: Json }; Returns: boolean }
      operation_time: { Args: { operation: string }; Returns: string }
      other_owners: { Args: Record<PropertyKey, never>; Returns: Json }
      override_assignments: {
        Args: { overrides: Json; relation: unknown; rows: number }
        Returns: string
      }
      own_due_condition: {
        Args: { as_of: string; relation: unknown }
        Returns: string
      }
      pages_of: { Args: { relation: unknown }; Returns: number }
      partition_faults: {
        Args: { parents: unknown[] }
        Returns: {
          exposed: unknown[]
          exposed_to: string
          oversized: unknown[]
          parent: unknown
        }[]
      }
      partition_history: {
        Args: Record<PropertyKey, never>
        Returns: undefined
      }
      partition_key: {
        Args: { parent: unknown }
        Returns: Record<string, unknown>
      }
      partition_suffix: {
        Args: { every: string; lower: string }
        Returns: string
      }
      partition_warnings: {
        Args: {
          cutoff: string
          detached: unknown
          exposed: unknown[]
          exposed_to: string
          held: unknown
          kept: unknown[]
          left_out: unknown
          newest: unknown
          odd: unknown[]
          oversized: unknown[]
          pending: unknown[]
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          usual_gap: string
        }
        Returns: Json
      }
      partitions_before: {
        Args: { column_name: unknown; cutoff: string; relation: unknown }
        Returns: unknown[]
      }
      partitions_below: { Args: { relation: unknown }; Returns: unknown[] }
      partitions_to_make: {
        Args: {
          max_rows: number
          may_scan: boolean
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          state: Database["nightshift"]["CompositeTypes"]["partition_state"]
        }
        Returns: Record<string, unknown>
      }
      partitions_to_retire: {
        Args: { as_of?: string; relation: unknown }
        Returns: {
          from_bound: string
          key_column: unknown
          parent: unknown
          partition: unknown
          to_bound: string
        }[]
      }
      partitions_wanted: {
        Args: {
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          state: Database["nightshift"]["CompositeTypes"]["partition_state"]
        }
        Returns: {
          piece: unknown
          row_count: number
        }[]
      }
      partitions_without_policy: {
        Args: Record<PropertyKey, never>
        Returns: {
          days: number
          ends_at: string
          has_default: boolean
          is_switched_off: boolean
          newest: unknown
          parent: unknown
        }[]
      }
      parts_of_invalid_indexes: {
        Args: Record<PropertyKey, never>
        Returns: unknown[]
      }
      pause: { Args: { reason?: string }; Returns: undefined }
      place_in_code: { Args: { context: string }; Returns: string }
      plan_delete: { Args: { keys: Json; relation: unknown }; Returns: Json }
      plan_partition_maintenance: {
        Args: { fence: number; only_tables?: string[]; run_id: string }
        Returns: Json
      }
      plan_reindex: {
        Args: { fence: number; index_names: string[]; run_id: string }
        Returns: Json
      }
      plan_restore: {
        Args: {
          keys?: Json
          operation?: string
          relation?: unknown
          since?: string
        }
        Returns: Json
      }
      plan_retention_purge: {
        Args: { fence: number; only_relations?: string[]; run_id: string }
        Returns: Json
      }
      plan_shape: {
        Args: { plan: Json; schema_name?: string }
        Returns: string
      }
      plan_table_vacuum: {
        Args: { fence: number; only_tables?: string[]; run_id: string }
        Returns: Json
      }
      plan_view_refresh: {
        Args: { fence: number; only_views?: string[]; run_id: string }
        Returns: Json
      }
      policy_members: {
        Args: { policies: unknown[] }
        Returns: {
          is_child: boolean
          member: unknown
          policy: unknown
        }[]
      }
      policy_of_run: {
        Args: { relation: string }
        Returns: {
          created_at: string
          drop_after: string
          enabled: boolean
          first_purge: string | null
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          relation_name: string | null
        }
        SetofOptions: {
          from: "*"
          to: "retention_policies"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      policy_of_view: {
        Args: { view: unknown }
        Returns: {
          allow_blocking: boolean
          created_at: string
          data_as_of: string | null
          enabled: boolean
          last_refresh_ms: number | null
          last_refreshed_at: string | null
          max_staleness: string
          state: Json | null
          view: unknown
          view_name: string
        }
        SetofOptions: {
          from: "*"
          to: "refresh_policies"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      preview_retention_purge: {
        Args: { as_of?: string; budget_ms?: number }
        Returns: Json
      }
      preview_retirement: {
        Args: { fence: number; run_id: string; table_name: string }
        Returns: Json
      }
      preview_table_vacuum: { Args: { as_of?: string }; Returns: Json }
      problem_of: {
        Args: { code: string; hint: string; message: string; policy: unknown }
        Returns: Json
      }
      purge_batch: {
        Args: {
          assess?: boolean
          batch_ms?: number
          batch_rows: number
          closure_rows?: number
          fence: number
          relation: string
          run_id: string
        }
        Returns: Json
      }
      purge_keys: {
        Args: { policies: unknown[] }
        Returns: Database["nightshift"]["CompositeTypes"]["purge_key"][]
        SetofOptions: {
          from: "*"
          to: "purge_key"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      purge_order: {
        Args: { policies: unknown[] }
        Returns: {
          component: unknown[]
          policy: unknown
          position: number
        }[]
      }
      purge_outcomes: {
        Args: { as_of: string }
        Returns: {
          day: string
          failed: boolean
          finished_at: string
          is_exact: boolean
          is_last_of_day: boolean
          place: number
          purged: number
          relation: string
          residue: number
          run_id: string
          started_at: string
          stays: number
          step: Json
          stuck: boolean
        }[]
      }
      purge_slices: {
        Args: {
          batch_ms: number
          batch_rows: number
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          step: Json
        }
        Returns: Record<string, unknown>
      }
      purge_steps: {
        Args: { as_of: string; max_runs: number; scheduled: boolean }
        Returns: {
          place: number
          relation: string
          started_at: string
          step: Json
        }[]
      }
      purge_waits: {
        Args: { policies: unknown[] }
        Returns: {
          earlier: unknown
          later: unknown
        }[]
      }
      purged_tables: {
        Args: { as_of?: string }
        Returns: {
          purged_at: string
          relation: unknown
        }[]
      }
      put_active: {
        Args: {
          conflict_columns: string
          on_deleted?: string
          relation: unknown
          row_values: Json
        }
        Returns: Json
      }
      put_off: {
        Args: {
          ahead: Database["nightshift"]["CompositeTypes"]["row_set"][]
          level: number
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          seeds: Database["nightshift"]["CompositeTypes"]["row_set"][]
          turn: unknown
        }
        Returns: undefined
      }
      raise_conflict: { Args: { context: string }; Returns: undefined }
      raise_locked: { Args: { relations: unknown[] }; Returns: undefined }
      reach_rows: {
        Args: {
          component: unknown[]
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          max_rows: number
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          seeds: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Record<string, unknown>
      }
      read_as_caller: { Args: { relation: unknown }; Returns: string }
      read_key_entry: {
        Args: { entry: string }
        Returns: Record<string, unknown>
      }
      read_partitions: {
        Args: { parents: unknown[] }
        Returns: {
          from_bound: string
          is_default: boolean
          lower: string
          parent: unknown
          partition: unknown
          pending: boolean
          to_bound: string
          upper: string
        }[]
      }
      read_pressure: { Args: { since: string }; Returns: Json }
      read_status: { Args: Record<PropertyKey, never>; Returns: Json }
      reasons_of: {
        Args: {
          fate: string
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
        }
        Returns: Json
      }
      reattach_partition: { Args: { partition: unknown }; Returns: Json }
      record_batch: {
        Args: {
          deleted: Database["nightshift"]["CompositeTypes"]["row_set"][]
          relation: unknown
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          section: string
          step: Json
        }
        Returns: Json
      }
      record_failed_restores: {
        Args: { actor: string; failed: Json; reason: string; relation: unknown }
        Returns: undefined
      }
      record_health: {
        Args: { checked_at: string; checks: Json }
        Returns: undefined
      }
      record_purge: {
        Args: { after: Json; before: Json; run_id: string }
        Returns: undefined
      }
      record_refresh_failure: {
        Args: {
          detail: string
          duration_ms: number
          error: Json
          fence: number
          reason: string
          run_id: string
          view: string
        }
        Returns: undefined
      }
      recount_moved_rows: {
        Args: {
          moved: Database["nightshift"]["CompositeTypes"]["moved_row"][]
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          step: Json
        }
        Returns: Json
      }
      redundant_indexes: {
        Args: Record<PropertyKey, never>
        Returns: {
          index: unknown
          key: unknown
          other: unknown
          relation: unknown
          same_keys: boolean
        }[]
      }
      reference_join: {
        Args: { from_referenced: boolean; key: unknown }
        Returns: string
      }
      reference_step: {
        Args: {
          alias: string
          branches: string
          condition: string
          leaves: unknown[]
          scan: string
        }
        Returns: string
      }
      reference_tree: {
        Args: { policy: unknown }
        Returns: {
          indexed: boolean
          key: unknown
          name: string
          own_policy: boolean
          referenced: unknown
          referencing: unknown
          role: string
          under: unknown
        }[]
      }
      references_condition: { Args: { key: unknown }; Returns: string }
      referencing_keys: {
        Args: { relations: unknown[] }
        Returns: {
          constraint_name: unknown
          indexed: boolean
          key: unknown
          name: string
          referenced: unknown
          referencing: unknown
          relation: unknown
        }[]
      }
      referred_tables: {
        Args: { parents: unknown[] }
        Returns: {
          parent: unknown
          referred: number
        }[]
      }
      refers_to_policy: { Args: { relation: unknown }; Returns: boolean }
      refresh_policy_view: {
        Args: {
          force?: boolean
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
          run_id?: string
        }
        Returns: Json
      }
      refresh_view: {
        Args: { fence: number; force?: boolean; run_id: string; view: string }
        Returns: Json
      }
      refresh_warnings: {
        Args: { untracked: string; view: unknown; way: Json }
        Returns: Json
      }
      refresh_way: {
        Args: { allow_blocking: boolean; view: unknown }
        Returns: Json
      }
      refuse_key: {
        Args: { entry: string; policy: unknown }
        Returns: undefined
      }
      reindex_leftovers: {
        Args: { index: unknown }
        Returns: {
          is_ours: boolean
          leftover: unknown
        }[]
      }
      reindex_statement: { Args: { index: unknown }; Returns: string }
      related_policies: {
        Args: { relation: unknown }
        Returns: {
          created_at: string
          drop_after: string
          enabled: boolean
          first_purge: string | null
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          relation_name: string | null
        }
        SetofOptions: {
          from: "*"
          to: "retention_policies"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      related_tables: { Args: { relation: unknown }; Returns: unknown[] }
      release_default: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          run_id: string
          table_name: string
        }
        Returns: Json
      }
      remember_held: {
        Args: {
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          run_id: string
        }
        Returns: undefined
      }
      remove_health_threshold: {
        Args: { check_name: string; subject?: string }
        Returns: boolean
      }
      remove_key_query: { Args: { name: string }; Returns: Json }
      remove_partition_policy: { Args: { parent: unknown }; Returns: Json }
      remove_refresh_policy: { Args: { view: string }; Returns: Json }
      remove_retention_policy: { Args: { relation: unknown }; Returns: Json }
      remove_vacuum_policy: { Args: { relation: string }; Returns: Json }
      report_bloat: {
        Args: { fence: number; only_tables?: string[]; run_id: string }
        Returns: Json
      }
      require_attached: {
        Args: { keys: Database["nightshift"]["CompositeTypes"]["purge_key"][] }
        Returns: undefined
      }
      require_call: { Args: { function_name: unknown }; Returns: undefined }
      require_checked_keys: {
        Args: { parent: unknown; partition: unknown }
        Returns: undefined
      }
      require_few_due: {
        Args: {
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          state: Database["nightshift"]["CompositeTypes"]["partition_state"]
        }
        Returns: undefined
      }
      require_health_checks: { Args: { names: string[] }; Returns: undefined }
      require_indexes: { Args: { names: string[] }; Returns: undefined }
      require_known_names: {
        Args: { input: Json; job: string }
        Returns: undefined
      }
      require_marker_index: {
        Args: {
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: undefined
      }
      require_no_rule: {
        Args: { event: string; relations: unknown[] }
        Returns: undefined
      }
      require_no_sentinel: {
        Args: {
          oldest_due?: string
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: undefined
      }
      require_not_all_refused: {
        Args: { finished: boolean; relation: unknown; step: Json }
        Returns: undefined
      }
      require_nothing_queued: {
        Args: Record<PropertyKey, never>
        Returns: undefined
      }
      require_one_policy: { Args: { relation: unknown }; Returns: undefined }
      require_own_rows: { Args: { relation: unknown }; Returns: undefined }
      require_ownership: {
        Args: { relation: unknown; what: string }
        Returns: undefined
      }
      require_partition_policies: {
        Args: { names: string[] }
        Returns: undefined
      }
      require_period: {
        Args: { example: string; name: string; period: string }
        Returns: undefined
      }
      require_reached_keys: {
        Args: { policy: unknown; strays_before?: unknown[] }
        Returns: undefined
      }
      require_reading_query: { Args: { query: string }; Returns: undefined }
      require_real_run: {
        Args: {
          does_nothing: string
          job: string
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: undefined
      }
      require_referencing_indexes: {
        Args: { relation: unknown }
        Returns: undefined
      }
      require_refresh_policies: {
        Args: { names: string[] }
        Returns: undefined
      }
      require_replica_identity: {
        Args: { relation: unknown }
        Returns: undefined
      }
      require_retention_policies: {
        Args: { names: string[] }
        Returns: undefined
      }
      require_room_for_locks: { Args: { policy: unknown }; Returns: undefined }
      require_statistics: {
        Args: Record<PropertyKey, never>
        Returns: undefined
      }
      require_tables: { Args: { names: string[] }; Returns: undefined }
      require_trusted: { Args: { relations: unknown[] }; Returns: undefined }
      require_trusted_keys: { Args: { parent: unknown }; Returns: undefined }
      require_trusted_referrers: {
        Args: { relations: unknown[] }
        Returns: undefined
      }
      require_unrestricted: {
        Args: { keys: Json; relation: unknown }
        Returns: undefined
      }
      require_wanted: {
        Args: { run: Database["nightshift"]["Tables"]["runs"]["Row"] }
        Returns: undefined
      }
      require_within_brake: { Args: { excess: string }; Returns: undefined }
      resolve_references: {
        Args: {
          component: unknown[]
          known_keys?: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          locking: boolean
          max_rows: number
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          seeds: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Record<string, unknown>
      }
      rest_of_patience: {
        Args: { lock_timeout: string; since: string }
        Returns: string
      }
      rest_of_walk: {
        Args: {
          cursor: Json
          leaf: unknown
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          step: Json
        }
        Returns: number
      }
      restore: {
        Args: {
          keys: Json
          on_conflict?: string
          overrides?: Json
          reason?: string
          relation: unknown
          restored_by?: string
        }
        Returns: Json
      }
      restore_keys: {
        Args: {
          keys: Json
          on_conflict: string
          overrides?: Json
          reason: string
          relation: unknown
          restored_by: string
        }
        Returns: Json
      }
      restore_operation: {
        Args: {
          after?: Json
          max_rows?: number
          on_conflict?: string
          operation: string
          reason?: string
          restored_by?: string
        }
        Returns: Json
      }
      restore_since: {
        Args: {
          after?: Json
          max_rows?: number
          on_conflict?: string
          reason?: string
          relation: unknown
          restored_by?: string
          since: string
        }
        Returns: Json
      }
      restricting_keys: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>[]
      }
      restricting_rows: {
        Args: { going: Json; keys: Json; relation: unknown }
        Returns: Record<string, unknown>[]
      }
      resume_run: {
        Args: {
          as_of?: string
          attempt: number
          request_id?: string
          run_id: string
        }
        Returns: Json
      }
      retention_warnings: { Args: { relation: unknown }; Returns: Json }
      retire_partitions: {
        Args: {
          fence: number
          lock_timeout_ms?: number
          run_id: string
          table_name: string
        }
        Returns: Json
      }
      retired_in_words: { Args: { relation: unknown }; Returns: string }
      reveal_deletion_event: { Args: { id: number }; Returns: Json }
      rows_in_words: { Args: { rows: number }; Returns: string }
      rows_of_operation: {
        Args: {
          after: Json
          max_rows: number
          operation: string
          relation: unknown
        }
        Returns: Record<string, unknown>
      }
      rows_since: {
        Args: {
          after: Json
          max_rows: number
          relation: unknown
          since: string
        }
        Returns: Record<string, unknown>
      }
      run_as_of: {
        Args: {
          as_of: string
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: {
          attempt: number
          cancel_requested_at: string | null
          cancel_requested_by: string | null
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
          request_id: string
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
      run_by_hand: { Args: { policies: unknown }; Returns: string }
      run_health_check: {
        Args: {
          as_of: string
          health_check: Database["nightshift"]["Tables"]["health_checks"]["Row"]
        }
        Returns: Json
      }
      sample_due_rows: {
        Args: {
          as_of: string
          due_rows: number
          max_sampled: number
          policy: Database["nightshift"]["Tables"]["retention_policies"]["Row"]
        }
        Returns: Record<string, unknown>
      }
      scan_of: { Args: { relation: unknown }; Returns: string }
      scan_time_of: { Args: { relation: unknown }; Returns: string }
      schedule_with_cron: {
        Args: {
          cron?: string
          input?: Json
          job?: string
          name?: string
          project_url?: string
        }
        Returns: Json
      }
      secure_partition: { Args: { partition: unknown }; Returns: undefined }
      secure_partitions: { Args: { parent: unknown }; Returns: Json }
      send_wakes: { Args: Record<PropertyKey, never>; Returns: number }
      served_at: {
        Args: { schedule: Database["nightshift"]["Tables"]["schedules"]["Row"] }
        Returns: string
      }
      set_cron_job: {
        Args: { command: string; cron: string; name: string }
        Returns: undefined
      }
      set_health_threshold: {
        Args: {
          check_name: string
          critical?: number
          info?: number
          subject?: string
          warning?: number
        }
        Returns: Json
      }
      set_webhook: { Args: { url: string }; Returns: undefined }
      sets_to_remember: {
        Args: {
          deleted: Database["nightshift"]["CompositeTypes"]["row_set"][]
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
        SetofOptions: {
          from: "*"
          to: "row_set"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      settle_key: { Args: { key: unknown; policy: unknown }; Returns: string }
      settle_owner: { Args: Record<PropertyKey, never>; Returns: undefined }
      settle_reference: {
        Args: { reference: string; relation: unknown; role: string }
        Returns: Json
      }
      settle_users: { Args: Record<PropertyKey, never>; Returns: undefined }
      shows_only: {
        Args: {
          kind: string
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
          view_oid: unknown
        }
        Returns: boolean
      }
      soft_delete: {
        Args: {
          confirmed?: string
          deleted_by?: string
          keys: Json
          operation?: string
          reason?: string
          relation: unknown
        }
        Returns: Json
      }
      soft_delete_advice: {
        Args: {
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
          unique_among_active?: string[]
        }
        Returns: Json
      }
      soft_delete_policies: {
        Args: Record<PropertyKey, never>
        Returns: {
          created_at: string
          drop_after: string
          enabled: boolean
          first_purge: string | null
          flag_column: unknown
          last_purged_at: string | null
          last_purged_rows: number | null
          last_purged_run: string | null
          marker_column: unknown
          max_fraction: number
          relation: unknown
          relation_name: string | null
        }[]
        SetofOptions: {
          from: "*"
          to: "retention_policies"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      soft_delete_rules: {
        Args: { for_caller?: boolean; relation: unknown }
        Returns: Database["nightshift"]["CompositeTypes"]["soft_delete_rules"]
        SetofOptions: {
          from: "*"
          to: "soft_delete_rules"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      soft_delete_steps: {
        Args: {
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
          unique_among_active: string[]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["ddl_step"][]
        SetofOptions: {
          from: "*"
          to: "ddl_step"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      soft_delete_tables_of_operation: {
        Args: { operation: string }
        Returns: unknown[]
      }
      soft_delete_view: {
        Args: {
          kind: string
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
        }
        Returns: Record<string, unknown>
      }
      soft_delete_views: { Args: { relation: unknown }; Returns: unknown[] }
      soft_delete_where: {
        Args: {
          condition: Json
          deleted_by?: string
          dry_run?: boolean
          max_rows?: number
          operation?: string
          reason?: string
          relation: unknown
        }
        Returns: Json
      }
      sources_as_of: { Args: { view: unknown }; Returns: string }
      spread_hold: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
          staying: Database["nightshift"]["CompositeTypes"]["held_row"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
        SetofOptions: {
          from: "*"
          to: "held_row"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      stamp_retired: {
        Args: {
          partition: unknown
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
          run_id: string
        }
        Returns: Json
      }
      start_operation: { Args: { at?: string }; Returns: string }
      status_headline: { Args: { sections: Json }; Returns: Json }
      status_health: { Args: { as_of: string }; Returns: Json }
      status_jobs: { Args: { as_of: string }; Returns: Json }
      status_partitions: { Args: { as_of: string }; Returns: Json }
      status_queries: { Args: { as_of: string }; Returns: Json }
      status_retention: { Args: { as_of: string }; Returns: Json }
      status_run: {
        Args: { run: Database["nightshift"]["Tables"]["runs"]["Row"] }
        Returns: Json
      }
      status_section: {
        Args: { as_of: string; section: string }
        Returns: Json
      }
      status_trends: { Args: { as_of: string }; Returns: Json }
      status_views: { Args: { as_of: string }; Returns: Json }
      stay_released: {
        Args: {
          going: Database["nightshift"]["CompositeTypes"]["row_set"][]
          released: Database["nightshift"]["CompositeTypes"]["released_row"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["released_row"][]
      }
      stray_tables: { Args: { policy: unknown }; Returns: unknown[] }
      strongest_fates: {
        Args: {
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          rows: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["held_row"][]
      }
      stuck_column: { Args: { key: unknown }; Returns: unknown }
      subtract_held: {
        Args: {
          held: Database["nightshift"]["CompositeTypes"]["held_row"][]
          sets: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      subtract_row_sets: {
        Args: {
          minus: Database["nightshift"]["CompositeTypes"]["row_set"][]
          sets: Database["nightshift"]["CompositeTypes"]["row_set"][]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["row_set"][]
      }
      table_of_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["vacuum_policies"]["Row"]
        }
        Returns: unknown
      }
      tables_of_policy: {
        Args: {
          policy: Database["nightshift"]["Tables"]["vacuum_policies"]["Row"]
        }
        Returns: unknown[]
      }
      tables_of_trends: {
        Args: Record<PropertyKey, never>
        Returns: {
          leaves: unknown[]
          relation: unknown
        }[]
      }
      tables_to_vacuum: {
        Args: { as_of?: string; only_tables?: string[] }
        Returns: Json
      }
      take_pending: {
        Args: {
          fewest_moved: number
          locking: boolean
          run: Database["nightshift"]["Tables"]["runs"]["Row"]
          scope: unknown[]
          turn: unknown
        }
        Returns: Record<string, unknown>
      }
      take_status: { Args: { fence: number; run_id: string }; Returns: string }
      take_troubles: { Args: Record<PropertyKey, never>; Returns: Json }
      theil_sen: { Args: { days: string[]; sizes: number[] }; Returns: number }
      time_of_number: {
        Args: { bound: string; epoch: string; type: unknown }
        Returns: string
      }
      trim_runs: { Args: { as_of?: string }; Returns: number }
      trim_trends: { Args: { as_of: string }; Returns: undefined }
      trim_view_refreshes: { Args: Record<PropertyKey, never>; Returns: number }
      trusted_name: { Args: { relation: unknown }; Returns: string }
      trusted_names: { Args: { relations: unknown[] }; Returns: string[] }
      trusted_operator: {
        Args: { operator: unknown }
        Returns: Record<string, unknown>
      }
      unique_conflicts: {
        Args: { relation: unknown }
        Returns: Record<string, unknown>[]
      }
      unique_steps: {
        Args: {
          settings: Database["nightshift"]["Tables"]["soft_delete_tables"]["Row"]
          unique_among_active: string[]
        }
        Returns: Database["nightshift"]["CompositeTypes"]["ddl_step"][]
        SetofOptions: {
          from: "*"
          to: "ddl_step"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      unmute_triggers: {
        Args: { relation: unknown; states: Json }
        Returns: undefined
      }
      unpause: { Args: { requested_by?: string }; Returns: undefined }
      unreferenced_condition: {
        Args: {
          keys: Database["nightshift"]["CompositeTypes"]["purge_key"][]
          relation: unknown
        }
        Returns: string
      }
      unschedule_with_cron: { Args: { name?: string }; Returns: number }
      untrusted_in_condition: { Args: { trigger: unknown }; Returns: string }
      use_secret: {
        Args: { action: string; content: string; secret_name: string }
        Returns: Record<string, unknown>
      }
      user_functions: { Args: Record<PropertyKey, never>; Returns: unknown[] }
      users_of: { Args: { relation: unknown }; Returns: string }
      usual_gap: { Args: { job: string }; Returns: string }
      usual_partition: { Args: { parent: unknown }; Returns: string }
      usual_time_of: {
        Args: { before?: number; query: string }
        Returns: Database["nightshift"]["CompositeTypes"]["usual_time"]
        SetofOptions: {
          from: "*"
          to: "usual_time"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      vacuum_statement: { Args: { relation: unknown }; Returns: string }
      vacuum_states: {
        Args: { as_of?: string; only_relations?: unknown[] }
        Returns: Database["nightshift"]["CompositeTypes"]["vacuum_state"][]
        SetofOptions: {
          from: "*"
          to: "vacuum_state"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      vacuuming_session: { Args: Record<PropertyKey, never>; Returns: number }
      validate_default: {
        Args: { fence: number; run_id: string; table_name: string }
        Returns: Json
      }
      verdict_in_words: {
        Args: {
          cause: string
          is_exact: boolean
          kept: number
          purged: number
          reason: string
          residue: number
          rows_per_night: number
          stays: number
          verdict: string
        }
        Returns: string
      }
      view_of: {
        Args: {
          policy: Database["nightshift"]["Tables"]["refresh_policies"]["Row"]
        }
        Returns: unknown
      }
      view_reads: {
        Args: { partitions?: boolean; view: unknown }
        Returns: {
          kind: unknown
          relation: unknown
        }[]
      }
      view_state: {
        Args: { composites?: unknown[]; view: unknown }
        Returns: Json
      }
      views_below: { Args: { view: unknown }; Returns: unknown[] }
      views_read: { Args: { view: unknown }; Returns: unknown[] }
      waits_to_be_continued: {
        Args: { run: Database["nightshift"]["Tables"]["runs"]["Row"] }
        Returns: boolean
      }
      wal_bytes: { Args: Record<PropertyKey, never>; Returns: number }
      warn_of_heirs: { Args: { relation: unknown }; Returns: string[] }
      warn_of_namesake: { Args: { relation: unknown }; Returns: string[] }
      warn_of_replica_identity: {
        Args: { relation: unknown }
        Returns: string[]
      }
      warnings_of_purge: { Args: { relation: unknown }; Returns: Json }
      watch: { Args: Record<PropertyKey, never>; Returns: undefined }
      watch_vacuum: {
        Args: {
          fence: number
          give_up?: boolean
          index_name?: string
          run_id: string
        }
        Returns: Json
      }
      way_into_leaf: {
        Args: { due: string; leaf: unknown; marker_column: unknown }
        Returns: string
      }
      what_changed: { Args: { after: Json; before: Json }; Returns: string }
      why_not_drop: {
        Args: {
          as_of: string
          record: Database["nightshift"]["Tables"]["retired_partitions"]["Row"]
        }
        Returns: string
      }
      why_not_retire: {
        Args: {
          partition: unknown
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
        }
        Returns: string
      }
      why_not_retire_so_many: {
        Args: {
          begun_partitions: number
          due: number
          policy: Database["nightshift"]["Tables"]["partition_policies"]["Row"]
        }
        Returns: string
      }
      why_not_sealed: {
        Args: { secret_name: string }
        Returns: Record<string, unknown>
      }
      without_replica_identity: {
        Args: { relation: unknown }
        Returns: unknown[]
      }
      work_due: {
        Args: { schedule: Database["nightshift"]["Tables"]["schedules"]["Row"] }
        Returns: Json
      }
      xmin_holder: { Args: { before: string }; Returns: Json }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      ddl_step: {
        statement: string | null
        why: string | null
        lock: string | null
        outside_transaction: boolean | null
      }
      health_measure: {
        subject: string | null
        value: number | null
        detail: string | null
        fix: string | null
        info: number | null
        warning: number | null
        critical: number | null
        problem: string | null
      }
      held_row: {
        policy: unknown
        relation: unknown
        tid: unknown
        fate: string | null
        reason: string | null
      }
      job_state: {
        job: string | null
        declared_at: string | null
        last_run: string | null
        last_success_at: string | null
        failed_in_row: number | null
        partial_in_row: number | null
        lost_in_row: number | null
        usual_duration_ms: number | null
      }
      moved_row: {
        relation: unknown
        old_tid: unknown
        new_tid: unknown
      }
      partition_state: {
        parent: unknown
        key_column: unknown
        key_type: unknown
        begun: string | null
        cutoff: string | null
        held: unknown
        missing: unknown
        left_out: unknown
        detached: unknown
        horizon: string | null
        default_partition: unknown
        newest: unknown
        newest_is_past: boolean | null
        partitions: number | null
        begun_partitions: number | null
        due: unknown[] | null
        kept: unknown[] | null
        odd: unknown[] | null
        pending: unknown[] | null
      }
      purge_key: {
        policy: unknown
        role: string | null
        key: unknown
        name: string | null
        referenced: unknown
        referencing: unknown
        indexed: boolean | null
        related: unknown[] | null
      }
      reference: {
        key: unknown
        under: unknown
        role: string | null
        own_policy: boolean | null
        name: string | null
        referenced: unknown
        referencing: unknown
        indexed: boolean | null
      }
      released_row: {
        key: unknown
        relation: unknown
        tid: unknown
        referenced_relation: unknown
        referenced_tid: unknown
      }
      row_set: {
        policy: unknown
        relation: unknown
        due: boolean | null
        tids: unknown[] | null
      }
      soft_delete_rules: {
        relation: unknown
        source: string | null
        deleted: string | null
        mark: string | null
        unmark: string | null
        of_operation: string | null
        since: string | null
        marker: string | null
        key_names: unknown[] | null
        key_definition: string | null
        key_match: string | null
        is_asked: string | null
        key_order: string | null
        key_object: string | null
        key_value: string | null
        has_parents: boolean | null
        trigger_path: string | null
      }
      usual_time: {
        times: number | null
        ms: number | null
        spread_ms: number | null
        plan: string | null
      }
      vacuum_state: {
        relation: unknown
        name: string | null
        kind: unknown
        dead_rows: number | null
        live_rows: number | null
        changed_rows: number | null
        freeze_age: number | null
        reason: string | null
        purged_at: string | null
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
