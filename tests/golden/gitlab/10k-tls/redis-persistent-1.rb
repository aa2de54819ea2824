# demo-redis-persistent-1 (demo, 10k). Written by refarch: change the environment file instead.

# What runs here
roles(['redis_sentinel_role', 'redis_master_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.15',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['use_tls'] = true
consul['tls_ca_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
consul['tls_certificate_file'] = '/etc/gitlab/ssl/internal.crt'
consul['tls_key_file'] = '/etc/gitlab/ssl/gitlab-consul.key'
consul['monitoring_service_discovery'] = true

# Redis: queues and shared state
redis['bind'] = '0.0.0.0'
redis['port'] = 0
redis['tls_port'] = 6379
redis['tls_cert_file'] = '/etc/gitlab/ssl/internal.crt'
redis['tls_key_file'] = '/etc/gitlab/ssl/gitlab-redis.key'
redis['tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
redis['tls_replication'] = 'yes'
redis['password'] = 'placeholder-redis_persistent_password'
redis['master_password'] = 'placeholder-redis_persistent_password'
redis['master_name'] = 'gitlab-redis-persistent'
redis['master_ip'] = '198.18.0.15'
redis['master_port'] = 6379
redis['announce_ip'] = '198.18.0.15'

# Sentinel: 3 vote on who is primary
sentinel['bind'] = '0.0.0.0'
sentinel['port'] = 0
sentinel['tls_port'] = 26379
sentinel['tls_cert_file'] = '/etc/gitlab/ssl/internal.crt'
sentinel['tls_key_file'] = '/etc/gitlab/ssl/gitlab-redis.key'
sentinel['tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
sentinel['tls_replication'] = 'yes'
sentinel['quorum'] = 2

# Figures for Prometheus
redis_exporter['listen_address'] = '0.0.0.0:9121'
redis_exporter['flags'] = {
  'redis.addr' => 'rediss://198.18.0.15:6379',
  'tls-ca-cert-file' => '/etc/gitlab/trusted-certs/refarch.crt',
  'redis.password' => 'placeholder-redis_persistent_password'
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
