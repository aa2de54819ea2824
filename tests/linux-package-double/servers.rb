# The servers of one node, as far as anybody asks them anything. One thread per port and connection.
require 'fileutils'
require 'json'
require 'socket'
require 'tmpdir'

# One line there, one line back.
def ask(host, port, line, seconds = 3)
  Socket.tcp(host, port, connect_timeout: seconds) do |socket|
    socket.puts line
    socket.wait_readable(seconds) && socket.gets&.chomp
  end
rescue SystemCallError, SocketError, IOError
  nil
end

class Servers
  DATA = '/var/opt/gitlab'.freeze

  def initialize(state)
    @state = state
    @lock = Mutex.new
    @leaders = JSON.parse(File.read("#{DATA}/leaders.json")) rescue {}
    @members = {}
    @asked = {}
  end

  def run
    @state['services'].each { |service| respond_to?(service, true) && send(service) }
    sleep
  end

  private

  def at(port, address = '0.0.0.0')
    server = TCPServer.new(address, port)
    server.listen(512)
    Thread.new do
      loop do
        socket = server.accept
        Thread.new do
          yield socket
        rescue SystemCallError, IOError
          nil # whoever asked is gone
        rescue StandardError => e
          raise unless e.class.name.start_with?('OpenSSL') # who asks without TLS is sent away
        ensure
          socket.close
        end
      end
    end
  end

  # HTTP: the path in; a status and a body out.
  def http(port, address = '0.0.0.0', tls: nil)
    if tls
      require 'openssl'
      context = OpenSSL::SSL::SSLContext.new
      context.cert = OpenSSL::X509::Certificate.new(File.read(tls.first))
      context.key = OpenSSL::PKey.read(File.read(tls.last))
    end
    at(port, address) do |socket|
      if tls
        socket = OpenSSL::SSL::SSLSocket.new(socket, context)
        socket.sync_close = true
        socket.accept
      end
      method, path, = socket.gets.to_s.split
      headers = {}
      until (line = socket.gets.to_s.chomp).empty?
        name, value = line.split(':', 2)
        headers[name.downcase] = value.strip
      end
      sent = socket.read(headers['content-length'].to_i)
      status, body, more = yield path.to_s, method, headers, sent
      body = body.is_a?(String) ? body : JSON.generate(body)
      reason = { 200 => 'OK', 201 => 'Created', 400 => 'Bad Request', 401 => 'Unauthorized', 404 => 'Not Found', 503 => 'Service Unavailable' }[status]
      lines = (more || {}).map { |name, value| "#{name}: #{value}\r\n" }.join
      socket.write "HTTP/1.1 #{status} #{reason}\r\n#{lines}Content-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n", body
    end
  end

  def figures(port, address = '0.0.0.0') = http(port, address) { [200, "up 1\n"] }

  def every(seconds)
    Thread.new do
      loop do
        yield
        sleep seconds
      end
    end
  end

  # --- Consul -------------------------------------------------------------------------------------------------------

  def consul
    servers = @state['consul_servers']
    alive = -> { servers.select { |server| ask(server, 8300, 'alive') } }
    if @state['consul_server']
      at(8300) do |socket|
        word, service, address, reluctant = socket.gets.to_s.split
        socket.puts(
          case word
          when 'lead' then lead(service, address, reluctant == 'true')
          when 'change' then change(service, address)
          else 'yes'
          end
        )
      end
    end
    at(8301) { |socket| socket.puts 'yes' }
    http(8500, '127.0.0.1') do |path|
      here = alive.call
      leader = here.size * 2 > servers.size ? "#{here.first}:8300" : ''
      case path
      # A JSON text, quotes and all, as Consul answers.
      when '/v1/status/leader' then [200, JSON.generate(leader)]
      when '/v1/operator/raft/configuration' then [200, { Servers: servers.map { |one| { Address: one, Voter: true } } }]
      when '/v1/agent/members' then [200, servers.map { |one| { Name: one, Status: here.include?(one) ? 1 : 4 } }]
      else [404, '']
      end
    end
  end

  # Who leads a service: the first that wants to; one that does not want to only when nobody else came for a while.
  def lead(service, address, reluctant)
    @lock.synchronize do
      @asked[service] ||= Time.now
      (@members[service] ||= {})[address] = Time.now unless address == '-'
      before = @leaders[service]
      @leaders[service] ||= address unless address == '-' || (reluctant && Time.now - @asked[service] < 30)
      keep if before != @leaders[service]
      @leaders[service] || 'nobody'
    end
  end

  # Another member that asked lately leads from now on.
  def change(service, from)
    @lock.synchronize do
      return 'it does not lead' unless @leaders[service] == from

      other = (@members[service] || {}).find { |member, at| member != from && Time.now - at < 5 }
      return 'no other member' unless other

      @leaders[service] = other.first
      keep
      'changed'
    end
  end

  def keep = File.write("#{DATA}/leaders.json", JSON.generate(@leaders))

  def leader = ask(@state['consul_servers'].first, 8300, "lead postgresql - false")

  # --- PostgreSQL, Patroni, PgBouncer -------------------------------------------------------------------------------

  def postgresql
    file = "#{DATA}/postgresql.json"
    data = File.exist?(file) ? JSON.parse(File.read(file)) : { 'databases' => [], 'schema' => nil }
    every(0.5) do
      next if leads? || @leader.nil?

      found = ask(@leader, 5432, 'stream')
      @lock.synchronize { data = JSON.parse(found) } if found&.start_with?('{')
    end
    at(5432) do |socket|
      word, what, way = socket.gets.to_s.split
      answer = @lock.synchronize do
        case word
        when 'role' then leads? ? 'leader' : 'replica'
        when 'create' then data['databases'] |= [what] if leads?
        when 'stream' then leads? ? JSON.generate(data) : 'replica'
        when 'databases' then data['databases'].join(',')
        when 'get' then (data['kept'] || {})[what] || 'none'
        when 'put'
          # What the application keeps: `none` is nothing.
          if leads?
            (data['kept'] ||= {})[what] = way
            'OK'
          end
        when 'schema' then leads? ? data['schema'] || 'none' : 'replica'
        when 'migrate'
          if !leads? then 'this server is a replica'
          elsif way == 'pooled' then 'migrations do not go through PgBouncer'
          else data['schema'] = what
          end
        end
      end
      File.write(file, JSON.generate(data))
      socket.puts answer || 'no'
    end
    figures(9187)
  end

  def leads? = !@state['services'].include?('patroni') || @leading

  def patroni
    member = [@state['address'], Socket.gethostname.end_with?('-1')].join(' ')
    every(1) do
      found = ask(@state['consul_servers'].first, 8300, "lead postgresql #{member}")
      @leading = found == @state['address'] unless found.nil?
      @leader = found if found && found != 'nobody'
      @known = !found.nil? && found != 'nobody'
    end
    http(8008, tls: @state['patroni_tls']) do |path|
      role = @leading ? 'primary' : 'replica'
      case path
      when '/leader' then [@leading ? 200 : 503, '']
      when '/replica' then [@known && !@leading ? 200 : 503, '']
      when '/patroni' then [200, { role: role, state: @known ? 'running' : 'starting' }]
      else [404, '']
      end
    end
  end

  def pgbouncer
    ini = "#{DATA}/pgbouncer/databases.ini"
    Dir.mkdir("#{DATA}/pgbouncer") unless Dir.exist?("#{DATA}/pgbouncer")
    if @state['pgbouncer_host']
      File.write(ini, "gitlabhq_production = host=#{@state['pgbouncer_host']} port=5432\n")
    else
      # Consul's watcher may tell PgBouncer only once it has the password.
      every(1) do
        to = File.exist?("#{DATA}/consul-pgpass") ? leader : nil
        File.write(ini, "gitlabhq_production = host=#{to} port=5432\n") if to && to != 'nobody'
      end
    end
    at(6432) do |socket|
      to = File.read(ini)[/host=(\S+)/, 1]
      socket.puts ask(to, 5432, "#{socket.gets.chomp} pooled") || 'no'
    end
    figures(9188)
  end

  # --- Redis --------------------------------------------------------------------------------------------------------

  def redis
    file = "#{DATA}/redis.json"
    # What a Sentinel decided outlives what gitlab.rb says.
    primary = File.exist?(file) ? JSON.parse(File.read(file))['primary'] : @state['redis_primary']
    follow = lambda do |address|
      primary = address
      File.write(file, JSON.generate({ primary: primary }))
    end
    replicas = {}
    linked = primary.nil?
    # The link is a connection that stays.
    every(0.5) do
      to = primary or next
      Socket.tcp(to, 6379, connect_timeout: 2) do |socket|
        socket.puts 'replicate'
        linked = socket.gets.to_s.start_with?('yes')
        sleep 0.2 while linked && primary == to && !socket.wait_readable(0)
      end
    rescue SystemCallError
      nil
    ensure
      linked = false
    end
    at(6379) do |socket|
      case socket.gets.to_s.split.map(&:downcase)
      in ['replicate', *]
        if primary.nil?
          from = socket.remote_address.ip_address
          @lock.synchronize { replicas[socket] = from }
          socket.puts 'yes'
          sleep 0.2 until primary || socket.wait_readable(0)
          @lock.synchronize { replicas.delete(socket) }
        else
          socket.puts 'no'
        end
      in ['ping', *] then socket.puts 'PONG'
      in ['info', *]
        socket.puts primary ? "role:slave|master_link_status:#{linked ? 'up' : 'down'}" : "role:master|connected_slaves:#{replicas.size}"
      in ['lead', *]
        follow.call(nil)
        socket.puts 'OK'
      in ['follow', address]
        follow.call(address)
        socket.puts 'OK'
      in ['hand-over', *]
        other, *others = replicas.values
        if primary.nil? && other && ask(other, 6379, 'lead') == 'OK'
          others.each { |one| ask(one, 6379, "follow #{other}") }
          follow.call(other)
          socket.puts 'OK'
        else
          socket.puts 'NOGOODSLAVE no suitable replica to promote'
        end
      else socket.puts 'ERR'
      end
    end
    figures(9121)
  end

  def sentinel
    at(26_379) do |socket|
      case socket.gets.to_s.split
      in ['sentinel', 'failover', *] then socket.puts(ask('127.0.0.1', 6379, 'hand-over') || 'NOGOODSLAVE')
      else socket.puts 'PONG'
      end
    end
  end

  # --- Git ----------------------------------------------------------------------------------------------------------

  def gitaly
    at(@state['gitaly_port']) { |socket| socket.puts(socket.gets ? 'yes' : 'no') }
    figures(9236)
  end

  def praefect
    at(@state['praefect_port']) { |socket| socket.puts(socket.gets ? 'yes' : 'no') }
    figures(9652)
  end

  # --- The application ----------------------------------------------------------------------------------------------

  def missing
    needs = @state['needs']
    found = []
    # Old code works on a newer schema, as long as nothing that it needs was dropped.
    schema = ask(needs['db_host'], needs['db_port'], 'schema').to_s
    numbers = ->(version) { version.split('.').map(&:to_i) }
    found << 'db' unless schema =~ /\A\d/ && (numbers.call(schema) <=> numbers.call(@state['version'])) >= 0
    found << 'redis' unless needs['redis'].any? { |host, port| ask(host, port, 'ping') }
    found << 'gitaly' unless needs['git'].all? { |host, port| ask(host, port, 'alive') }
    found
  end

  # A line for the database's leader, told again while none leads.
  def keep_asking(line)
    give_up = Time.now + 20
    loop do
      told = ask(@state['needs']['db_host'], @state['needs']['db_port'], line)
      return told if told && !%w[no replica].include?(told)
      raise IOError, 'no database' if Time.now > give_up

      sleep 0.2
    end
  end

  # The part of the API that the probe of an upgrade uses.
  def api(method, path, headers, sent)
    return [401, ''] unless headers['private-token'] == keep_asking('get token')

    case [method, path.split('?').first]
    in ['POST', '/api/v4/projects']
      name = sent[/(?:^|&)name=(refarch-probe-\d+)(?:&|$)/, 1] or return [400, {}]
      keep_asking('put repository none')
      [201, keep_asking("put project #{name}")]
    in ['GET', %r{\A/api/v4/projects/(?:1|root%2F(refarch-probe-\d+))\z}]
      wanted = Regexp.last_match(1)
      name = keep_asking('get project')
      return [404, {}] if name == 'none' || (wanted && wanted != name)

      [200, { id: 1, path_with_namespace: "root/#{name}" }]
    in ['DELETE', '/api/v4/projects/1']
      %w[project repository].each { |what| keep_asking("put #{what} none") }
      [200, {}]
    in ['DELETE', '/api/v4/personal_access_tokens/self']
      keep_asking('put token none')
      [200, {}]
    end
  end

  # git over HTTP, by git itself. The repository lies in the database, so that every node has the same.
  def git(method, path, headers, sent)
    name = path[%r{\A/root/(refarch-probe-\d+)\.git/}, 1]
    given = headers['authorization'].to_s[/\ABasic (.*)/, 1].to_s.unpack1('m').split(':', 2).last
    return [401, '', { 'WWW-Authenticate' => 'Basic realm="double"' }] if given.nil? || given != keep_asking('get token')

    return [404, ''] unless name && name == keep_asking('get project')

    Dir.mktmpdir do |folder|
      packed = keep_asking('get repository')
      repository = "#{folder}/root/#{name}.git"
      FileUtils.mkdir_p(repository)
      system('/opt/gitlab/embedded/bin/git', 'init', '-q', '--bare', '-b', 'probe', repository, exception: true)
      IO.popen(['tar', '-xzC', repository], 'wb') { |tar| tar.write packed.unpack1('m0') } unless packed == 'none'
      target, query = path.split('?', 2)
      environment = {
        'GIT_PROJECT_ROOT' => folder, 'GIT_HTTP_EXPORT_ALL' => '1', 'REMOTE_USER' => 'root', 'REMOTE_ADDR' => '127.0.0.1',
        'REQUEST_METHOD' => method, 'PATH_INFO' => target, 'QUERY_STRING' => query.to_s,
        'CONTENT_TYPE' => headers['content-type'].to_s, 'CONTENT_LENGTH' => sent.to_s.bytesize.to_s,
        'HTTP_CONTENT_ENCODING' => headers['content-encoding'].to_s, 'GIT_PROTOCOL' => headers['git-protocol'].to_s
      }
      answer = IO.popen(environment, ['/opt/gitlab/embedded/bin/git', 'http-backend'], 'r+b') do |backend|
        backend.write sent.to_s
        backend.close_write
        backend.read
      end
      if target.end_with?('/git-receive-pack')
        packed = IO.popen(['tar', '-czC', repository, '.'], 'rb', &:read)
        keep_asking("put repository #{[packed].pack('m0')}")
        keep_asking("put pushes #{keep_asking('get pushes').to_i + 1}")
      end
      head, body = answer.split("\r\n\r\n", 2)
      more = head.lines.to_h { |line| line.chomp.split(': ', 2) }
      [more.delete('Status').to_s[/\A\d+/]&.to_i || 200, body, more]
    end
  end

  def nginx
    return unless @state['web_port']

    http(@state['web_port']) do |path, method, headers, sent|
      case path.split('?').first
      when '/-/readiness'
        # Without all=1 the application speaks of itself alone, once it has started.
        @started ||= missing.empty?
        lost = path.include?('all=1') || !@started ? missing : []
        [lost.empty? ? 200 : 503, { status: lost.empty? ? 'ok' : 'failed', missing: lost }]
      when '/-/liveness' then [200, { status: 'ok' }]
      else
        # Poolers and clients wait for a leader that is moving.
        give_up = Time.now + 20
        sleep 0.2 until (lost = missing).empty? || Time.now > give_up
        if lost.any? then [503, "no #{lost.join(', ')}\n"]
        elsif path.start_with?('/api/v4/') then api(method, path, headers, sent.to_s)
        elsif path.start_with?('/root/refarch-probe-') then git(method, path, headers, sent)
        else [200, "double #{@state['version']} on #{Socket.gethostname}\n"]
        end
      end
    end
    figures(8060)
  end

  def puma = figures(8080)

  def gitlab_workhorse = figures(9229)

  def sidekiq
    http(8092, '127.0.0.1') { missing.empty? ? [200, 'ok'] : [503, 'not yet'] }
    figures(8082)
  end

  def prometheus
    http(9090) do |path|
      path.start_with?('/api/v1/targets') ? [200, { data: { activeTargets: [{ health: 'up' }] } }] : [200, 'ready']
    end
  end
end
