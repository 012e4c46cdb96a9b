-- The schema of version 1. What a line was planned as never changes; nothing is deleted but by `xoxo ledger purge`.

CREATE SCHEMA IF NOT EXISTS xoxo;

CREATE TABLE xoxo.meta (
    name text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO xoxo.meta (name, value) VALUES ('generation', '1');

-- 0 is the account of a job whose account is not known yet.
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

-- `id` is what the code calls `seq`; `ordinal` counts from 1 within a job. No index on what moves: updates stay HOT.
CREATE TABLE xoxo.line (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job integer NOT NULL REFERENCES xoxo.job (id),
    ordinal bigint NOT NULL,
    account integer NOT NULL REFERENCES xoxo.account (id),
    key text NOT NULL,
    po_number text NOT NULL,
    digest text NOT NULL,
    body text NOT NULL,
    row bigint NOT NULL,
    lines integer NOT NULL DEFAULT 1,
    worth bigint,
    state text NOT NULL DEFAULT 'planned',
    attempts integer NOT NULL DEFAULT 0,
    suspect boolean NOT NULL DEFAULT false,
    epoch bigint NOT NULL DEFAULT 0,
    lookups integer NOT NULL DEFAULT 0,
    delivery text NOT NULL DEFAULT '',
    first_sent_at double precision,
    last_sent_at double precision,
    last_lookup_at double precision,
    order_id bigint,
    amount_charged numeric,
    currency text NOT NULL DEFAULT '',
    error_id text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    evidence text NOT NULL DEFAULT '',
    held integer NOT NULL DEFAULT 0,
    foreign_sender boolean NOT NULL DEFAULT false,
    last_sent_tick double precision,
    unwanted boolean NOT NULL DEFAULT false,
    rev integer NOT NULL DEFAULT 0,
    look text CHECK (look IN ('send', 'settle', 'person', 'codes')),
    UNIQUE (job, ordinal),
    UNIQUE (key, job),
    UNIQUE (po_number, account)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX line_look ON xoxo.line (look, job, id) WHERE look IS NOT NULL;

CREATE TABLE xoxo.packed_line (
    pack bigint NOT NULL REFERENCES xoxo.line (id),
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

-- The orders of lines, and their codes. A table of its own, because an index on the line would end its HOT updates.
CREATE TABLE xoxo.placed (
    id bigint PRIMARY KEY,
    account integer NOT NULL,
    order_id bigint NOT NULL,
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
