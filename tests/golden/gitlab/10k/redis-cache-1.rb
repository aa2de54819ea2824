# demo-redis-cache-1 (demo, 10k). Written by refarch: change the environment file instead.

# What runs here
roles(['redis_sentinel_role', 'redis_master_role'])

# The schema is made once, by the first application node
gitlab_rails['auto_migrate'] = false

# Consul: an agent
consul['enable'] = true
consul['configuration'] = {
  bind_addr: '198.18.0.12',
  retry_join: %w(198.18.0.3 198.18.0.4 198.18.0.5)
}
consul['encryption_key'] = 'cGxhY2Vob2xkZXItY29uc3VsX2dvc3NpcC4uLi4uLi4='
consul['monitoring_service_discovery'] = true

# Redis: the cache
redis['bind'] = '0.0.0.0'
redis['port'] = 6379
redis['password'] = 'placeholder-redis_cache_password'
redis['master_password'] = 'placeholder-redis_cache_password'
redis['master_name'] = 'gitlab-redis-cache'
redis['master_ip'] = '198.18.0.12'
redis['announce_ip'] = '198.18.0.12'

# Sentinel: 3 vote on who is primary
sentinel['bind'] = '0.0.0.0'
sentinel['quorum'] = 2

# What the cache holds can be computed again: the least used goes when memory is full
redis['maxmemory'] = '13824mb'
redis['maxmemory_policy'] = 'allkeys-lru'
redis['maxmemory_samples'] = 5

# Figures for Prometheus
redis_exporter['listen_address'] = '0.0.0.0:9121'
redis_exporter['flags'] = {
  'redis.addr' => 'redis://127.0.0.1:6379',
  'redis.password' => 'placeholder-redis_cache_password'
}

# Figures of the machine, for Prometheus
node_exporter['listen_address'] = '0.0.0.0:9100'
