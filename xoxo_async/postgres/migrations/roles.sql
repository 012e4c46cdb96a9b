-- The roles of the schema `xoxo`. Safe to repeat; run it again after each update of the schema.
--
--   xoxo_owner   updates the schema, purges, rebinds a job to another account, raises the generation
--   xoxo_worker  plans, works and reads jobs. What was planned cannot change: no key, poNumber or order of a line
--   xoxo_reader  reads counts, lines and the journal; no voucher code, no token and no key
--
-- They cannot log in. Give one of them to each user that does:
--   CREATE ROLE plum LOGIN PASSWORD '…'; GRANT xoxo_worker TO plum;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['xoxo_owner', 'xoxo_worker', 'xoxo_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'xoxo_owner', 'USAGE') THEN
        EXECUTE format('GRANT xoxo_owner TO %I', current_user);
    END IF;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO xoxo_owner', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO xoxo_owner, xoxo_worker', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO xoxo_reader', current_database());

    EXECUTE 'ALTER SCHEMA xoxo OWNER TO xoxo_owner';
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'xoxo'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE xoxo.%I OWNER TO xoxo_owner', name);  -- its sequences go with it
    END LOOP;
    FOR name IN SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'xoxo'::regnamespace LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO xoxo_owner', name);
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA xoxo FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA xoxo FROM PUBLIC, xoxo_worker, xoxo_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA xoxo FROM PUBLIC, xoxo_worker, xoxo_reader;

GRANT USAGE ON SCHEMA xoxo TO xoxo_worker, xoxo_reader;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA xoxo TO xoxo_worker;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA xoxo TO xoxo_worker;

-- The worker. An UPDATE of a line names what moves, and nothing else.
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA xoxo TO xoxo_worker;
GRANT UPDATE (
    worth, state, attempts, suspect, epoch, lookups, delivery, first_sent_at, last_sent_at, last_lookup_at, order_id,
    amount_charged, currency, error_id, error, evidence, held, foreign_sender, last_sent_tick, unwanted, rev, look
) ON xoxo.line TO xoxo_worker;
GRANT UPDATE (worth, unpacked) ON xoxo.packed_line TO xoxo_worker;
GRANT UPDATE (
    state, reason, generation, frontier, lines, committed, unpriced, settler, settler_until, facts
) ON xoxo.job TO xoxo_worker;
GRANT UPDATE, DELETE ON xoxo.worker, xoxo.claim, xoxo.placed, xoxo.code_mark, xoxo.tally, xoxo.allowance, xoxo.token
    TO xoxo_worker;

-- The tables of the queue pgqueuer, where a worker's first start has made them; other owners grant theirs themselves.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT c.oid::regclass::text AS name, n.nspname AS schema, c.relkind AS kind
          FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('xoxo', 'public', current_schema()) AND pg_has_role(c.relowner, 'USAGE')
           AND (c.relkind = 'r' AND c.relname ~ '^pgqueuer(_log|_schedules|_statistics)?$'
                OR c.relkind = 'S' AND c.relname ~ '^pgqueuer(_log|_schedules|_statistics)?_id_seq$')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO xoxo_worker', item.schema);
        IF item.kind = 'r' THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO xoxo_worker', item.name);
        ELSE
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO xoxo_worker', item.name);
        END IF;
    END LOOP;
END
$$;

-- The reader.
GRANT SELECT ON xoxo.meta, xoxo.account, xoxo.job, xoxo.worker, xoxo.claim, xoxo.line, xoxo.packed_line, xoxo.kept,
    xoxo.journal, xoxo.tally, xoxo.allowance TO xoxo_reader;
GRANT SELECT (id, account, order_id) ON xoxo.placed TO xoxo_reader;
-- With the key of the marks, a reader could find out whether a guessed code is among the issued ones. Owners see all.
ALTER TABLE xoxo.meta ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS no_keys ON xoxo.meta;
CREATE POLICY no_keys ON xoxo.meta FOR SELECT USING (name NOT IN ('marks_key', 'key_check'));
DROP POLICY IF EXISTS worker ON xoxo.meta;
CREATE POLICY worker ON xoxo.meta TO xoxo_worker USING (true) WITH CHECK (true);

-- A worker refreshes the planner's statistics after a large plan; before version 17 only an owner may.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON ALL TABLES IN SCHEMA xoxo TO xoxo_worker';
    END IF;
END
$$;
