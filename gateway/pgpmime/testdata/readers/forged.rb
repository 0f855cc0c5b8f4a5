# Reads the messages in a folder as Ruby's mail does, which Zammad is built on, and names each one in which a field below
# the top, or more than one at the top, has a name of ours or gives orders to a ticket system.
require "mail"

OURS = %w[sealgate-encryption sealgate-signature sealgate-signer sealgate-verdict].freeze

def forged?(part, top)
  names = part.header.fields.map { |f| f.name.to_s.strip.downcase.tr("_", "-") }.select { |n| n.start_with?("sealgate", "x-zammad") }
  return true if top ? (names.uniq != names || !(names - OURS).empty?) : !names.empty?

  part.parts.any? { |p| forged?(p, false) }
end

Dir[File.join(ARGV[0], "*.eml")].sort.each do |path|
  found = begin
    forged?(Mail.new(File.binread(path)), true)
  rescue StandardError # what it cannot read it does not believe
    false
  end
  puts File.basename(path) if found
end
