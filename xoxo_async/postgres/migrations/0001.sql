-- The schema of version 1. What a line was planned as never changes; nothing is deleted but by `xoxo ledger purge`.

CREATE SCHEMA IF NOT EXISTS xoxo;

CREATE TABLE xoxo.meta (
    name text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO xoxo.meta (name, value) VALUES ('generation', '1');

-- A job whose account is not known yet has a row of its own, with an empty address. 0 is no job's.
CREATE TABLE xoxo.account (
    id integer PRIMARY KEY,
    address text NOT NULL,
    account text NOT NULL,
    UNIQUE (address, account)
);
INSERT INTO xoxo.account (id, address, account) VALUES (0, '', '');
CREATE SEQUENCE xoxo.account_id AS integer OWNED BY xoxo.account.id;
ALTER TABLE xoxo.account ALTER COLUMN id SET DEFAULT nextval('xoxo.account_id');

-- Few pages and free room in each: the hot row of a job is updated with each claim and each result.
CREATE TABLE xoxo.job (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE,
    account integer NOT NULL DEFAULT 0 REFERENCES xoxo.account (id),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'done')),
    reason text NOT NULL DEFAULT '',
    generation integer NOT NULL DEFAULT 1,
    frontier bigint NOT NULL DEFAULT 0,
    lines bigint NOT NULL DEFAULT 0,
    committed bigint NOT NULL DEFAULT 0,
    unpriced bigint NOT NULL DEFAULT 0,
    settler bigint,
    settler_until timestamptz NOT NULL DEFAULT 'epoch',
    facts jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 10);

CREATE TABLE xoxo.worker (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    host text NOT NULL,
    pid integer NOT NULL,
    job integer REFERENCES xoxo.job (id),
    started_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The lines that a worker has reserved: what `recover` gives back when its lease has ended.
CREATE TABLE xoxo.claim (
    epoch bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job integer NOT NULL REFERENCES xoxo.job (id),
    worker bigint NOT NULL REFERENCES xoxo.worker (id),
    at timestamptz NOT NULL DEFAULT now(),
    seqs bigint[] NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX claim_by_worker ON xoxo.claim (worker);

-- `id` is what the code calls `seq`. `ordinal` counts from 1 within a job for the lines of plans; one that was added
-- outside a plan has `-id`. No index on what moves, and room in each page for two versions of its lines: updates stay
-- HOT. What never changes stands first, because the log of an update leaves out what is the same up to the first change.
-- No foreign keys: a check a line would take most of the time of a large plan, and jobs and accounts are not deleted
-- before their lines.
CREATE TABLE xoxo.line (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    ordinal bigint NOT NULL,
    row bigint NOT NULL,
    job integer NOT NULL,
    account integer NOT NULL,
    worth bigint,
    lines integer NOT NULL DEFAULT 1,
    key text NOT NULL,
    po_number text NOT NULL,
    digest text NOT NULL,
    body text NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    lookups integer NOT NULL DEFAULT 0,
    held integer NOT NULL DEFAULT 0,
    rev integer NOT NULL DEFAULT 0,
    first_sent_at double precision,
    last_sent_at double precision,
    last_lookup_at double precision,
    last_sent_tick double precision,
    order_id bigint,
    suspect boolean NOT NULL DEFAULT false,
    foreign_sender boolean NOT NULL DEFAULT false,
    unwanted boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'planned',
    delivery text NOT NULL DEFAULT '',
    amount_charged numeric,
    currency text NOT NULL DEFAULT '',
    evidence text NOT NULL DEFAULT '',
    error_id text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    look text CHECK (look IN ('send', 'settle', 'person', 'codes')),
    UNIQUE (job, ordinal),
    UNIQUE (key, job),
    UNIQUE (po_number, account)
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX line_look ON xoxo.line (look, job, id) WHERE look IS NOT NULL;

CREATE TABLE xoxo.packed_line (
    pack bigint NOT NULL,
    first integer NOT NULL,
    job integer NOT NULL,
    account integer NOT NULL,
    pieces integer NOT NULL,
    key text NOT NULL,
    po_number text NOT NULL,
    digest text NOT NULL,
    body text NOT NULL,
    row bigint NOT NULL,
    worth bigint,
    unpacked boolean NOT NULL DEFAULT false,
    PRIMARY KEY (pack, first),
    UNIQUE (key, job),
    UNIQUE (po_number, account)
);
CREATE INDEX packed_line_by_job ON xoxo.packed_line (job);

-- The columns that ride along with lines: a JSON object a key. Nothing is sent of it.
CREATE TABLE xoxo.kept (
    job integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (job, key)
);

-- The orders of lines, and their codes. Ids of points are another series of numbers than those of orders, so they stand
-- here as negative numbers; links have no id. A table of its own, because an index on the line would end its HOT updates.
CREATE TABLE xoxo.placed (
    id bigint PRIMARY KEY,
    account integer NOT NULL,
    order_id bigint,
    codes text,
    UNIQUE (order_id, account)
) WITH (fillfactor = 80);

CREATE TABLE xoxo.code_mark (
    mark bigint NOT NULL,
    account integer NOT NULL,
    line bigint NOT NULL,
    PRIMARY KEY (mark, account)
);
CREATE INDEX code_mark_by_line ON xoxo.code_mark (line);

CREATE TABLE xoxo.journal (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job integer NOT NULL,
    line bigint NOT NULL,
    at double precision NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    transition text NOT NULL,
    evidence text NOT NULL,
    attempts integer NOT NULL,
    epoch bigint NOT NULL,
    worker bigint,
    order_id bigint,
    error_id text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX journal_by_line ON xoxo.journal (line, id);
CREATE INDEX journal_alarms ON xoxo.journal (job, line) WHERE transition = '!';

-- The counts of a job, each worker's share in a row of its own, so that workers do not wait for each other.
CREATE TABLE xoxo.tally (
    job integer NOT NULL,
    worker bigint NOT NULL,
    state text NOT NULL,
    delivery text NOT NULL,
    currency text NOT NULL,
    single boolean NOT NULL,
    orders bigint NOT NULL,
    priced bigint NOT NULL,
    charged numeric NOT NULL,
    PRIMARY KEY (job, worker, state, delivery, currency, single)
) WITH (fillfactor = 10);

CREATE TABLE xoxo.allowance (
    account text NOT NULL,
    operation text NOT NULL,
    tat timestamptz NOT NULL DEFAULT 'epoch',
    held_until timestamptz NOT NULL DEFAULT 'epoch',
    PRIMARY KEY (account, operation)
) WITH (fillfactor = 10);

CREATE TABLE xoxo.token (
    account text PRIMARY KEY,
    gen bigint NOT NULL DEFAULT 0,
    pair text,
    owner text NOT NULL DEFAULT '',
    owned_until timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 10);

-- Ends a statement, so that nothing of it is written: a statement of several parts has no other way to say no.
CREATE FUNCTION xoxo.refuse(code text, why text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', why USING ERRCODE = code;
END
$$;

-- Reserves the next lines of a job for a worker, in one trip and without a lock that outlives it. Each statement of the
-- function sees what was committed before it: after the job's row is locked, no plan adds lines below its `lines`.
-- The first row always has the job's state; `epoch` is null where nothing was reserved.
CREATE FUNCTION xoxo.reserve(p_job integer, p_worker bigint, p_wanted integer) RETURNS TABLE (
    claimed_epoch bigint, job_state text, alive boolean, committed bigint, unpriced bigint, job_currency text,
    id bigint, key text, po_number text, digest text, body text, "row" bigint, lines integer, worth bigint, state text,
    attempts integer, suspect boolean, epoch bigint, lookups integer, delivery text, first_sent_at double precision,
    last_sent_at double precision, last_lookup_at double precision, order_id bigint, amount_charged numeric,
    currency text, error_id text, error text, evidence text, held integer, foreign_sender boolean,
    last_sent_tick double precision, unwanted boolean, rev integer
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_job xoxo.job%ROWTYPE;
    v_alive boolean;
    v_back bigint[];
    v_ahead bigint[] := '{}';
    v_found bigint[];
    v_step bigint;
    v_end bigint;
    v_reached bigint;
    v_last bigint;
    v_epoch bigint;
BEGIN
    -- A reservation that a crash forgets harms nobody: nothing is sent before the write that arms its lines, which is
    -- durable and needs the claim. Waiting for the disk here would hold the job's row, for which other workers wait.
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT EXISTS (SELECT FROM xoxo.worker AS w WHERE w.id = p_worker AND w.lease_until > clock_timestamp()) INTO v_alive;
    SELECT j.* INTO v_job FROM xoxo.job AS j WHERE j.id = p_job FOR NO KEY UPDATE;
    -- After a restored backup, lines may have been sent that are planned here: they are looked up first.
    IF v_job.generation < (SELECT m.value::integer FROM xoxo.meta AS m WHERE m.name = 'generation') THEN
        v_job.state := 'copied';
    END IF;
    IF v_alive AND v_job.state = 'running' THEN
        WITH back AS (
            SELECT l.id FROM xoxo.line AS l WHERE l.look = 'send' AND l.job = p_job ORDER BY l.id LIMIT p_wanted
            FOR NO KEY UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE xoxo.line AS l SET look = NULL, rev = l.rev + 1 FROM back
            WHERE l.id = back.id AND l.look = 'send' RETURNING l.id
        )
        SELECT coalesce(array_agg(taken.id), '{}') INTO v_back FROM taken;
        v_last := v_job.frontier;
        v_step := p_wanted - cardinality(v_back);
        -- A window of ordinals at a time: each plan of this query then reads no more than the window, whatever the
        -- database believes about a table that it has no statistics of. The window grows where lines are not planned.
        WHILE cardinality(v_back) + cardinality(v_ahead) < p_wanted AND v_last < v_job.lines LOOP
            v_end := least(v_last + v_step, v_job.lines);
            SELECT coalesce(array_agg(next.id), '{}'), max(next.ordinal) INTO v_found, v_reached FROM (
                SELECT l.id, l.ordinal FROM xoxo.line AS l
                WHERE l.job = p_job AND l.ordinal > v_last AND l.ordinal <= v_end
                -- A person may send a line again that the frontier has not reached: it is among v_back, too.
                AND l.state = 'planned' AND l.look IS NULL AND NOT l.id = ANY (v_back)
                ORDER BY l.ordinal LIMIT p_wanted - cardinality(v_back) - cardinality(v_ahead)
            ) AS next;
            v_ahead := v_ahead || v_found;
            v_last := CASE WHEN cardinality(v_back) + cardinality(v_ahead) < p_wanted THEN v_end ELSE v_reached END;
            v_step := least(2 * v_step, 10000);
        END LOOP;
        IF v_last > v_job.frontier THEN
            UPDATE xoxo.job AS j SET frontier = v_last WHERE j.id = p_job;
        END IF;
        IF cardinality(v_back || v_ahead) > 0 THEN
            INSERT INTO xoxo.claim (job, worker, seqs) VALUES (p_job, p_worker, v_back || v_ahead)
            RETURNING claim.epoch INTO v_epoch;
        END IF;
    END IF;
    RETURN QUERY SELECT v_epoch, v_job.state, v_alive, v_job.committed, v_job.unpriced, v_job.facts ->> 'currency',
        l.id, l.key, l.po_number, l.digest, l.body, l.row, l.lines, l.worth, l.state, l.attempts, l.suspect, l.epoch,
        l.lookups, l.delivery, l.first_sent_at, l.last_sent_at, l.last_lookup_at, l.order_id, l.amount_charged,
        l.currency, l.error_id, l.error, l.evidence, l.held, l.foreign_sender, l.last_sent_tick, l.unwanted, l.rev
        FROM (SELECT 1) AS one LEFT JOIN xoxo.line AS l ON l.id = ANY (v_back || v_ahead) ORDER BY l.id;
END
$$;
