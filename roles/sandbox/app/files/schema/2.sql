-- A repository that moves to another storage: by which move, and how long nobody else needs to look after it.
create sequence moves;
alter table projects add column move bigint, add column frozen_until timestamptz;
create index projects_frozen on projects (frozen_until) where frozen_until is not null;
