create schema if not exists nightshift;

comment on schema nightshift is
  'Scheduled maintenance: policies, the run ledger and the functions that jobs call. Access is through functions only.';
