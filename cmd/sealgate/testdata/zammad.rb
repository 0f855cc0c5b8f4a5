# Behaves as Zammad does towards a mailbox, with Ruby's standard libraries: first the channel set-up (look at a header,
# send a verification mail, find it by its subject token, delete it), then one fetch run by sequence number, then an
# agent's reply by SMTP. Written from the description of Zammad's habits; prints what it saw as "name: value" lines.
#
# Arguments: CA file, IMAPS port, STARTTLS submission port, login, address, outside address, customer.
# The password is read from standard input.
require 'net/imap'
require 'net/smtp'
require 'mail'
require 'openssl'
require 'securerandom'
require 'time'

CA, IMAP_PORT, SMTP_PORT, LOGIN, ADDRESS, OUTSIDE, CUSTOMER = ARGV
PASSWORD = $stdin.gets.chomp

def say(name, value)
  puts "#{name}: #{value}"
end

def connect
  imap = Net::IMAP.new('127.0.0.1', port: IMAP_PORT.to_i, ssl: { ca_file: CA, verify_mode: OpenSSL::SSL::VERIFY_PEER })
  imap.login(LOGIN, PASSWORD)
  imap.select('INBOX')
  imap
end

# SORT is asked for first, as Zammad does, and SEARCH is the fallback.
def ids(imap, what)
  imap.sort(['DATE'], what, 'US-ASCII')
rescue Net::IMAP::NoResponseError, Net::IMAP::BadResponseError
  imap.search(what)
end

def send_mail(mail)
  mail.delivery_method :smtp, address: 'localhost', port: SMTP_PORT.to_i, enable_starttls_auto: true,
                              ca_file: CA, user_name: LOGIN, password: PASSWORD, authentication: 'plain', domain: 'zammad.desk.test'
  mail.deliver!
end

def verification(to, token)
  mail = Mail.new
  mail.from = ADDRESS
  mail.to = to
  mail.subject = token
  mail.header['X-Zammad-Verify'] = 'true'
  mail.header['X-Zammad-Verify-Time'] = Time.now.utc.iso8601
  mail.body = 'A mail that checks sending and receiving; its canary is canary-verify-7731.'
  mail
end

# 1. check: the header of one message.
imap = connect
say 'capability', imap.capability.sort.join(' ')
first = ids(imap, ['ALL'])
say 'messages', first.length
say 'header', imap.fetch(first.first, 'RFC822.HEADER')[0].attr['RFC822.HEADER'][/^Message-ID: .*$/i].strip unless first.empty?
imap.disconnect

# 2. verify: a mail to itself and one outside, found again by its subject token.
token = "Verification #{SecureRandom.hex(8)}"
[ADDRESS, OUTSIDE].each { |to| send_mail(verification(to, token)) }
found = false
120.times do
  imap = connect
  ids(imap, ['ALL']).reverse_each do |id|
    header = imap.fetch(id, ['RFC822.HEADER'])[0].attr['RFC822.HEADER']
    next unless Mail.new(header).subject == token

    imap.store(id, '+FLAGS', [:Deleted])
    imap.expunge
    found = true
    break
  end
  imap.disconnect
  break if found

  sleep 0.25
end
say 'verified', found

# 3. fetch: by sequence number only; seen mail is deleted, one EXPUNGE at the end, the socket is dropped.
imap = connect
ids(imap, ['ALL']).each do |id|
  meta = imap.fetch(id, ['RFC822.SIZE', 'FLAGS', 'INTERNALDATE', 'RFC822.HEADER'])[0].attr
  raw = imap.fetch(id, 'RFC822')[0].attr['RFC822']
  mail = Mail.new(raw)
  say 'size-is-true', meta['RFC822.SIZE'] == raw.bytesize
  say 'header-is-true', raw.start_with?(meta['RFC822.HEADER'])
  say 'message', [mail.message_id, mail.subject, mail.header['Sealgate-Encryption'], mail.header['Sealgate-Signature']].join(' | ')
  say 'text', (mail.text_part || mail).decoded.strip.lines.first.to_s.strip
  imap.store(id, '+FLAGS', [:Deleted])
end
imap.expunge
imap.instance_variable_get(:@sock).close

# 4. send: an HTML reply with an attachment, as an agent's article leaves.
mail = Mail.new
mail.from = ADDRESS
mail.to = CUSTOMER
mail.subject = 'Re: [Ticket#42] Ärger'
mail.message_id = '<reply-zammad@desk.test>'
mail.text_part = Mail::Part.new { body 'hällo from the agent' }
mail.html_part = Mail::Part.new do
  content_type 'text/html; charset=UTF-8'
  body '<b>hällo from the agent</b>'
end
mail.attachments['a.bin'] = { mime_type: 'application/octet-stream', content: 'x' * 3000 }
begin
  send_mail(mail)
  say 'sent', 'yes'
rescue StandardError => e
  say 'refused', e.message.strip
end
