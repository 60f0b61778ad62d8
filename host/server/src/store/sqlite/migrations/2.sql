-- Who handled a contact last.
create table contact (
    key        text    not null primary key,
    agent      text    not null,
    at         integer not null,
    kept_until integer not null -- compared with what answers are forgotten before
) without rowid;
create index contact_kept_until on contact (kept_until);
