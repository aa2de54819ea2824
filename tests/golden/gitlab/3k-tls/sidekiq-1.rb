# demo-sidekiq-1 (demo, 3k). Written by refarch: change the environment file instead.

# What runs here
roles(['sidekiq_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.22',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# Where users go
external_url 'https://git.example.com'
letsencrypt['enable'] = false
gitlab_rails['time_zone'] = 'UTC'

# Database: through PgBouncer to the leader; reads go to every server
gitlab_rails['db_host'] = '198.18.0.2'
gitlab_rails['db_port'] = 6432
gitlab_rails['db_password'] = 'placeholder-postgres_app'
gitlab_rails['db_sslmode'] = 'verify-full'
gitlab_rails['db_sslrootcert'] = '/etc/gitlab/trusted-certs/refarch.crt'
gitlab_rails['db_load_balancing'] = { 'hosts' => ['198.18.0.6', '198.18.0.7', '198.18.0.8'] }

# Redis
redis['master_name'] = 'gitlab-redis'
redis['master_password'] = 'placeholder-redis_password'
gitlab_rails['redis_sentinels'] = [
  { 'host' => '198.18.0.12', 'port' => 26379 },
  { 'host' => '198.18.0.13', 'port' => 26379 },
  { 'host' => '198.18.0.14', 'port' => 26379 }
]
gitlab_rails['redis_ssl'] = true
gitlab_rails['redis_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
gitlab_rails['redis_sentinels_ssl'] = true
gitlab_rails['redis_sentinels_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Repositories: through Praefect
gitlab_rails['repositories_storages'] = {
  'default' => {
    'gitaly_address' => 'tls://198.18.0.2:3305',
    'gitaly_token' => 'placeholder-praefect_external_token'
  }
}

# Who may read health and figures
gitlab_rails['monitoring_whitelist'] = ['127.0.0.0/8', '198.18.0.27/32', '198.18.0.1/32', '198.18.0.2/32']

# Background jobs: one process for each core, every one takes every job
sidekiq['listen_address'] = '0.0.0.0'
sidekiq['queue_groups'] = ['*'] * 4

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
