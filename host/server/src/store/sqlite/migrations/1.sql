-- The whole of an interaction, encoded; written when it is submitted and when its properties change.
create table interaction (
    id   text not null primary key,
    body blob not null
) without rowid;

-- Where it waits: narrow, and in the order of a pull, because every step of its way rewrites this row.
create table queue_entry (
    queue               text    not null,
    priority            integer not null,
    received_at         integer not null,
    id                  text    not null,
    tenant_id           integer not null,
    media_type          text    not null,
    interaction_type    text    not null,
    interaction_subtype text    not null,
    external_id         text    not null,
    parent_id           text    not null,
    flags               integer not null, -- 1 online, 2 locked, 4 held
    submitted_at        integer not null,
    placed_in_queue_at  integer not null,
    moved_to_queue_at   integer not null,
    delivered_at        integer not null,
    abandoned_at        integer not null,
    held_at             integer not null,
    service_objective   integer not null,
    submitted_by        text    not null,
    workbin             blob,             -- encoded; null: in none
    custom              blob,             -- values in the order of meta.custom_properties; null: none declared
    primary key (queue, priority desc, received_at, id)
) without rowid;

-- Idempotency keys and what they were answered with.
create table answer (
    key            text    not null primary key,
    fingerprint    integer not null,
    at             integer not null,
    interaction_id text    not null
) without rowid;
create index answer_at on answer (at);

create table meta (
    name  text not null primary key,
    value text not null
) without rowid;
insert into meta values ('incarnation', '0'), ('custom_properties', '[]');
