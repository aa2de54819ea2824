# The commands of the product's package, for tests. Called as: double.rb COMMAND ARGUMENTS...
require 'json'
require 'fileutils'
require 'securerandom'
require_relative 'gitlab_rb'
require_relative 'servers'

HERE = '/opt/gitlab/embedded'.freeze
STATE = '/var/opt/gitlab/double.json'.freeze
CALLS = '/var/log/gitlab-double/calls.jsonl'.freeze
VERSION = File.read("#{HERE}/service/gitlab-rails/VERSION").strip.delete_suffix('-ee').freeze

def state = JSON.parse(File.read(STATE))

def record(words, result)
  line = JSON.generate({ time: Time.now.to_f, node: Socket.gethostname, call: words.join(' '), result: result })
  File.open(CALLS, 'a') { |file| file.puts line }
end

def stop(text)
  warn text
  exit 1
end

# --- reconfigure ------------------------------------------------------------------------------------------------------

ROLES = {
  'application_role' => %w[puma gitlab_workhorse nginx sidekiq gitaly], 'sidekiq_role' => %w[sidekiq],
  'gitaly_role' => %w[gitaly], 'consul_role' => %w[consul], 'patroni_role' => %w[consul patroni postgresql],
  'postgres_role' => %w[postgresql], 'pgbouncer_role' => %w[consul pgbouncer], 'redis_sentinel_role' => %w[sentinel],
  'redis_master_role' => %w[redis], 'redis_replica_role' => %w[redis], 'monitoring_role' => %w[prometheus nginx]
}.freeze

def services(rb)
  named = rb['roles'] || []
  running = named.flat_map { |role| ROLES.fetch(role) { stop "no such role: #{role}" } }
  running = %w[puma gitlab_workhorse nginx sidekiq gitaly postgresql redis prometheus] if named.empty?
  rb.each do |name, section|
    next unless section.is_a?(Hash) && section.key?('enable')

    section['enable'] ? running |= [name] : running -= [name]
  end
  running.uniq
end

def port_of(address) = address.to_s[/\d+\z/]&.to_i

# What the servers must know, from gitlab.rb alone.
def digest(rb)
  rails = rb['gitlab_rails'] || {}
  git = rb.dig('gitaly', 'configuration') || {}
  praefect = rb.dig('praefect', 'configuration') || {}
  site = rails['nginx'] || rb['nginx'] || {}
  sentinels = rails['redis_sentinels']
  redis = if sentinels then sentinels.map { |one| [one['host'], one['port']] }
          elsif rails['redis_host'] then [[rails['redis_host'], rails['redis_port']]]
          else [['127.0.0.1', 6379]]
          end
  storages = (rails['repositories_storages'] || {}).values.map { |one| one['gitaly_address'].to_s[%r{//(.*)}, 1].split(':') }
  named = rb['roles'] || []
  consul = rb.dig('consul', 'configuration') || {}
  {
    version: VERSION, services: services(rb), address: consul['bind_addr'],
    consul_server: named.include?('consul_role'), consul_servers: consul['retry_join'] || [],
    pgbouncer_host: rb.dig('pgbouncer', 'databases', 'gitlabhq_production', 'host'),
    patroni_tls: rb.dig('patroni', 'tls_certificate_file') && [rb['patroni']['tls_certificate_file'], rb['patroni']['tls_key_file']],
    redis_primary: named.include?('redis_replica_role') ? rb['redis']['master_ip'] : nil,
    gitaly_port: port_of(git['tls_listen_addr'] || git['listen_addr']) || 8075,
    praefect_port: port_of(praefect['tls_listen_addr'] || praefect['listen_addr']) || 2305,
    web_port: rails['enable'] == false ? nil : site['listen_port'],
    needs: {
      db_host: rails['db_host'] || '127.0.0.1',
      db_port: rails['db_port'] || 5432, redis: redis, git: storages
    }
  }
end

# What a package of today makes for itself where nobody gave it.
SECRETS = {
  'gitlab_workhorse' => %w[secret_token], 'gitlab_shell' => %w[secret_token],
  'gitlab_rails' => %w[secret_key_base db_key_base otp_key_base encrypted_settings_key_base openid_connect_signing_key
                       active_record_encryption_primary_key active_record_encryption_deterministic_key
                       active_record_encryption_key_derivation_salt],
  'gitlab_pages' => %w[auth_secret api_secret_key],
  'gitlab_kas' => %w[api_secret_key private_api_secret_key websocket_token_secret_key],
  'registry' => %w[http_secret internal_certificate internal_key],
  'postgresql' => %w[internal_certificate internal_key],
  'mailroom' => %w[incoming_email_auth_token service_desk_email_auth_token]
}.freeze

def complete_secrets
  file = '/etc/gitlab/gitlab-secrets.json'
  own = File.exist?(file) ? JSON.parse(File.read(file)) : {}
  SECRETS.each { |section, keys| keys.each { |key| (own[section] ||= {})[key] ||= SecureRandom.hex(32) } }
  File.write(file, JSON.pretty_generate(own), perm: 0o600)
end

def configuration
  rb = GitlabRb.read('/etc/gitlab/gitlab.rb')
  wrong = rb.complaints(JSON.parse(File.read("#{HERE}/gitlab-rb.json")), VERSION)
  stop "FATAL: removed or unknown config:\n#{wrong.join("\n")}" unless wrong.empty?
  rb.sections
end

# A service that may not read its key does not start.
def check_keys(rb)
  { 'git' => [rb.dig('gitaly', 'configuration', 'tls', 'key_path'), rb.dig('praefect', 'configuration', 'tls', 'key_path')],
    'gitlab-psql' => [rb.dig('postgresql', 'ssl_key_file'), rb.dig('patroni', 'tls_key_file'), rb.dig('pgbouncer', 'client_tls_key_file')],
    'gitlab-redis' => [rb.dig('redis', 'tls_key_file'), rb.dig('sentinel', 'tls_key_file')],
    'gitlab-consul' => [rb.dig('consul', 'tls_key_file')] }.each do |user, files|
    files.compact.each do |file|
      owner = `stat -c %U #{file}`.chomp
      stop "error: #{file} belongs to #{owner}, and #{user} cannot read it" unless owner == user
    end
  end
end

def wait_for(what, seconds = 60)
  give_up = Time.now + seconds
  until (found = yield)
    stop "error: #{what} did not come" if Time.now > give_up
    sleep 0.2
  end
  found
end

def reconfigure
  rb = configuration
  check_keys(rb)
  found = digest(rb)
  complete_secrets
  text = JSON.generate(found)
  same = File.exist?(STATE) && File.read(STATE) == text && system('systemctl is-active -q gitlab-runsvdir')
  FileUtils.mkdir_p(File.dirname(STATE))
  FileUtils.rm_rf('/opt/gitlab/service')
  found[:services].each { |service| FileUtils.mkdir_p("/opt/gitlab/service/#{service.tr('_', '-')}") }
  File.write(STATE, text)
  system('systemctl enable -q gitlab-runsvdir 2>/dev/null; systemctl restart gitlab-runsvdir', exception: true) unless same
  return unless found[:services].include?('postgresql')

  role = wait_for('PostgreSQL') { ask('127.0.0.1', 5432, 'role') }
  ask('127.0.0.1', 5432, 'create gitlabhq_production') if role == 'leader'
end

# --- commands ---------------------------------------------------------------------------------------------------------

def psql(words)
  sql = words[words.index { |word| word =~ /\A-\w*c\z/ }.to_i + 1] if words.any? { |word| word =~ /\A-\w*c\z/ }
  if sql.nil?
    $stdin.read
    return
  end
  role = ask('127.0.0.1', 5432, 'role') or stop 'psql: connection refused'
  case sql
  when /case when pg_is_in_recovery/ then puts(role)
  when /pg_is_in_recovery/ then puts(role == 'leader' ? 'f' : 't')
  when /batched_background_migrations/ then puts File.exist?('/etc/gitlab-double/unfinished') ? 2 : 0
  when /pg_database where datname = '(\w+)'/
    puts 1 if ask('127.0.0.1', 5432, 'databases').to_s.split(',').include?(Regexp.last_match(1))
  when /server_version/ then puts '17.6'
  when /create database (\w+)/ then ask('127.0.0.1', 5432, "create #{Regexp.last_match(1)}")
  when /select 1/ then puts 1
  else stop "the double does not know: #{sql}"
  end
end

def gitlab_ctl(words)
  case words
  in ['reconfigure', *] then reconfigure
  in ['check-config', *] then configuration
  in ['status', service] then exit(state['services'].include?(service) && system('systemctl is-active -q gitlab-runsvdir') ? 0 : 1)
  # One daemon has all services: reconfigure started it anew when something changed.
  in ['restart', _] then nil
  in ['restart'] then system('systemctl restart gitlab-runsvdir', exception: true)
  in ['patroni', 'switchover', '--force']
    other = ask(state['consul_servers'].first, 8300, "change postgresql #{state['address']}")
    stop "nobody else can lead: #{other}" unless other == 'changed'
  in ['get-postgresql-primary'] then puts "#{ask(state['consul_servers'].first, 8300, 'lead postgresql - false')}:5432"
  in ['write-pgpass', *]
    twice = $stdin.read.lines
    stop 'the passwords differ' unless twice.size == 2 && twice.uniq.size == 1
    FileUtils.touch('/var/opt/gitlab/consul-pgpass')
  else stop "the double does not know: gitlab-ctl #{words.join(' ')}"
  end
end

def gitlab_rake(words)
  case words
  in ['gitlab:db:configure']
    needs = state['needs']
    told = ask(needs['db_host'], needs['db_port'], "migrate #{VERSION}")
    stop "rake aborted: #{told || 'the database does not answer'}" unless told == VERSION
  in ['db:migrate']
    needs = state['needs']
    # Nobody may be left with the old code once its columns are dropped; that is told by the calls' order.
    told = ask(needs['db_host'], needs['db_port'], "migrate #{VERSION}")
    stop "rake aborted: #{told || 'the database does not answer'}" unless told == VERSION
  else stop "the double does not know: gitlab-rake #{words.join(' ')}"
  end
end

command, *words = ARGV
called = [command, *words.map { |word| word.lines.first.to_s.chomp }]
called << 'without post-deployment migrations' if ENV['SKIP_POST_DEPLOYMENT_MIGRATIONS'] == 'true'

if command == 'daemon'
  wait_for('a configuration', 1e9) { File.exist?(STATE) }
  Servers.new(state).run
end

%w[hang fail].each do |switch|
  file = "/etc/gitlab-double/#{switch}"
  asked = -> { File.exist?(file) && called.join(' ').start_with?(File.read(file).strip) }
  next unless asked.call

  record(called, switch)
  stop "error: told to fail by #{file}" if switch == 'fail'
  sleep 0.5 while asked.call
end

looks = %w[gitlab-psql redis-cli praefect consul].include?(command) || words.first == 'status'
record(called, 'begins') unless looks
begin
  case command
  when 'gitlab-ctl' then gitlab_ctl(words)
  when 'gitlab-rake' then gitlab_rake(words)
  when 'gitlab-rails'
    given = $stdin.read
    if words.join.include?('refarch-probe')
      needs = state['needs']
      told = ask(needs['db_host'], needs['db_port'], "put token #{given.strip}")
      stop "the database does not take it: #{told}" unless told == 'OK'
    end
  when 'gitlab-psql' then psql(words)
  when 'redis-cli'
    # Sentinel answers on a port of its own.
    port = words.include?('26379') ? 26_379 : 6379
    words = words.reject { |word| word == '26379' }
    asked = words.drop_while { |word| word.start_with?('-') || word =~ %r{\A(/|127\.)} }
    puts ask('127.0.0.1', port, asked.join(' ')).to_s.split('|')
  when 'praefect' then exit(state['services'].include?('praefect') ? 0 : 1)
  else stop "the double does not know: #{called.join(' ')}"
  end
rescue SystemExit => e
  record(called, e.status.zero? ? 'done' : 'failed') unless looks
  raise
end
record(called, 'done') unless looks
