# demo-sidekiq-1 (demo, 2k). Written by refarch: change the environment file instead.

# What runs here
roles(['sidekiq_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Where users go
external_url 'https://git.example.com'
letsencrypt['enable'] = false
gitlab_rails['time_zone'] = 'UTC'

# Database: the one server
gitlab_rails['db_host'] = '198.18.0.2'
gitlab_rails['db_port'] = 5432
gitlab_rails['db_password'] = 'placeholder-postgres_app'
gitlab_rails['db_sslmode'] = 'verify-full'
gitlab_rails['db_sslrootcert'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Redis
gitlab_rails['redis_host'] = '198.18.0.3'
gitlab_rails['redis_port'] = 6379
gitlab_rails['redis_password'] = 'placeholder-redis_password'
gitlab_rails['redis_ssl'] = true
gitlab_rails['redis_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'

# Repositories: Gitaly
gitlab_rails['gitaly_token'] = 'placeholder-gitaly_token'
gitlab_rails['repositories_storages'] = {
  'default' => {
    'gitaly_address' => 'tls://198.18.0.4:9999'
  }
}

# Who may read health and figures
gitlab_rails['monitoring_whitelist'] = ['127.0.0.0/8', '198.18.0.8/32', '198.18.0.1/32']

# Background jobs: one process for each core, every one takes every job
sidekiq['listen_address'] = '0.0.0.0'
sidekiq['queue_groups'] = ['*'] * 4

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
