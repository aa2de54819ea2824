create table projects (
    id uuid primary key,
    name text not null unique,
    storage text not null,
    state text not null default 'pending' check (state in ('pending', 'ready', 'deleting')),
    node text not null,
    created_at timestamptz not null default now(),
    touched_at timestamptz not null default now(),
    ready_at timestamptz
);
create index projects_unfinished on projects (touched_at) where state <> 'ready';
create index projects_created on projects (created_at);
create table writes (
    id uuid primary key,
    value text not null,
    node text not null,
    at timestamptz not null default now()
);
