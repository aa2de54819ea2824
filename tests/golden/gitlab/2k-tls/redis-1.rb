# demo-redis-1 (demo, 2k). Written by refarch: change the environment file instead.

# What runs here
roles(['redis_master_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Redis: cache, queues and shared state
redis['bind'] = '0.0.0.0'
redis['port'] = 0
redis['tls_port'] = 6379
redis['tls_cert_file'] = '/etc/gitlab/ssl/internal.crt'
redis['tls_key_file'] = '/etc/gitlab/ssl/gitlab-redis.key'
redis['tls_ca_cert_file'] = '/etc/gitlab/trusted-certs/refarch.crt'
redis['password'] = 'placeholder-redis_password'

# Figures for Prometheus
redis_exporter['listen_address'] = '0.0.0.0:9121'
redis_exporter['flags'] = {
  'redis.addr' => 'rediss://198.18.0.3:6379',
  'tls-ca-cert-file' => '/etc/gitlab/trusted-certs/refarch.crt',
  'redis.password' => 'placeholder-redis_password'
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
