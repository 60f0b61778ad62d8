-- Who may write: the owner of the epoch.
create table owner (
    shard       integer not null primary key,
    node        text    not null,
    epoch       integer not null,
    lease_until integer          -- null: held by the lock file, for as long as the process lives
) strict;

-- Bytes of plugins, by digest.
create table component (
    digest  text not null primary key,
    name    text not null,
    version text not null,
    bytes   blob not null
) strict;

-- A session: written when it begins and when it ends, not by its turns. Its number is the order of
-- beginning.
create table session (
    number      integer not null primary key,
    id          text    not null unique,
    strategy    text    not null,
    plugin      text    not null,
    version     text    not null,
    digest      text    not null,
    server      text    not null,
    interaction text    not null,
    started_at  integer not null,
    origin      blob    not null,
    ended_at    integer,
    outcome     text,
    failed      integer,
    last        blob
) strict;
create index session_unfinished on session (number) where ended_at is null;
create index session_finished on session (ended_at) where ended_at is not null;
create index session_component on session (digest);

-- Turns of a session lie side by side: that is how they are read.
create table turn (
    session text    not null,
    number  integer not null,
    due_at  integer,
    record  blob    not null,
    primary key (session, number)
) strict, without rowid;

-- The last one of a session.
create table checkpoint (
    session text    not null primary key,
    turn    integer not null,
    due_at  integer,
    record  blob    not null
) strict;

-- Kept when taken, so that a repeat is known. Its number is the order of coming.
create table message (
    number   integer not null primary key,
    session  text    not null,
    key      text    not null,
    name     text    not null,
    data     text    not null,
    taken_in integer,            -- the turn that took it
    unique (session, key)
) strict;
