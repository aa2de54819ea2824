# demo-app-1 (demo, 10k). Written by refarch: change the environment file instead.

# What runs here
roles(['application_role'])
gitaly['enable'] = false
sidekiq['enable'] = false

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.29',
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

# Redis: queues and shared state in one set, the cache in another
redis['master_name'] = 'gitlab-redis-persistent'
redis['master_password'] = 'placeholder-redis_persistent_password'
gitlab_rails['redis_sentinels'] = [
  { 'host' => '198.18.0.15', 'port' => 26379 },
  { 'host' => '198.18.0.16', 'port' => 26379 },
  { 'host' => '198.18.0.17', 'port' => 26379 }
]
gitlab_rails['redis_ssl'] = true
gitlab_rails['redis_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
gitlab_rails['redis_sentinels_ssl'] = true
gitlab_rails['redis_sentinels_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
gitlab_rails['redis_cache_ssl'] = true
gitlab_rails['redis_cache_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
gitlab_rails['redis_cache_sentinels_ssl'] = true
gitlab_rails['redis_cache_sentinels_tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
gitlab_rails['redis_cache_instance'] = 'rediss://:placeholder-redis_cache_password@gitlab-redis-cache'
gitlab_rails['redis_cache_sentinels'] = [
  { 'host' => '198.18.0.12', 'port' => 26379 },
  { 'host' => '198.18.0.13', 'port' => 26379 },
  { 'host' => '198.18.0.14', 'port' => 26379 }
]

# Repositories: through Praefect
gitlab_rails['repositories_storages'] = {
  'default' => {
    'gitaly_address' => 'tls://198.18.0.2:3305',
    'gitaly_token' => 'placeholder-praefect_external_token'
  }
}

# Who may read health and figures
gitlab_rails['monitoring_whitelist'] = ['127.0.0.0/8', '198.18.0.32/32', '198.18.0.1/32', '198.18.0.2/32']

# First login: root; only the first migration reads it
gitlab_rails['initial_root_password'] = 'placeholder-root_password'
gitlab_rails['gitlab_shell_ssh_port'] = 2222

# The balancer ends TLS and says who the user is
gitlab_rails['nginx']['listen_port'] = 8880
gitlab_rails['nginx']['listen_https'] = false
gitlab_rails['nginx']['real_ip_header'] = 'X-Forwarded-For'
gitlab_rails['nginx']['real_ip_recursive'] = 'on'
gitlab_rails['nginx']['real_ip_trusted_addresses'] = ['198.18.0.1', '198.18.0.2']

# Figures for Prometheus, which runs elsewhere
prometheus['enable'] = false
alertmanager['enable'] = false
puma['listen'] = '0.0.0.0'
gitlab_workhorse['prometheus_listen_addr'] = '0.0.0.0:9229'
nginx['status']['options'] = {
  'server_tokens' => 'off',
  'access_log' => 'off',
  'allow' => ['198.18.0.32', '127.0.0.1'],
  'deny' => 'all'
}

# Agents of Kubernetes clusters: each server hands on what belongs to another
gitlab_kas['private_api_listen_address'] = '0.0.0.0:8155'
gitlab_kas['env'] = {
  'OWN_PRIVATE_API_URL' => 'grpc://198.18.0.29:8155'
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'

# While the schema is made, the database's leader is addressed itself
from_file '/etc/gitlab/leader.rb' if File.exist?('/etc/gitlab/leader.rb')
