# gitlab.rb: evaluated as the package does, and held against the settings that this version knows.
class GitlabRb
  # A section: text and symbol keys are the same, and what is not there yet comes into being.
  class Section < Hash
    def initialize = super() { |section, key| section.store(key.to_s, Section.new) if key }
    def [](key) = key?(key.to_s) ? fetch(key.to_s) : super(key.to_s)
    def []=(key, value)
      store(key.to_s, GitlabRb.plain(value))
    end
  end

  def self.plain(value)
    case value
    when Hash then value.each_with_object(Section.new) { |(key, one), section| section[key] = one }
    when Array then value.map { |one| plain(one) }
    else value
    end
  end

  attr_reader :sections

  def self.read(path)
    new.tap do |file|
      file.from_file(path)
      settle(file.sections)
    end
  end

  # From here on, what is not there is nil.
  def self.settle(section)
    section.default_proc = nil
    section.each_value { |value| settle(value) if value.is_a?(Section) }
  end

  def initialize = @sections = Section.new

  def from_file(path) = instance_eval(File.read(path), path)

  def roles(*names) = @sections['roles'] = names.flatten

  def method_missing(name, *values)
    return @sections[name] if values.empty?

    @sections[name] = values.first
  end

  def respond_to_missing?(*) = true

  # What the version does not know, or has dropped.
  def complaints(known, version)
    at_least = ->(other) { (version.split('.').map(&:to_i) <=> other.split('.').map(&:to_i)) >= 0 }
    gone = known.fetch('gone', {}).select { |_, one| at_least.call(one['from']) }
    found = []
    walk = lambda do |value, spec, path|
      found << "#{path} was removed in #{gone[path]['from']}" if gone.key?(path)
      next if spec.nil? || spec['free'] || !spec.key?('keys') || !value.is_a?(Hash)

      value.each do |key, below|
        one = spec['keys'][key]
        if one.nil? || (one['since'] && !at_least.call(one['since']))
          found << "#{path}.#{key} is not known to #{version}"
        else
          walk.call(below, one, "#{path}.#{key}")
        end
      end
    end
    sections.each do |name, value|
      next if name == 'roles'

      spec = known['sections'][name]
      spec ? walk.call(value, spec, name) : found << "#{name} is not known to #{version}"
    end
    found
  end
end
