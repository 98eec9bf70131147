# ruby client.rb PORT CA
require 'net/http'
http = Net::HTTP.new('localhost', ARGV[0].to_i)
http.use_ssl = true
http.ca_file = ARGV[1]
begin
  http.get('/')
rescue StandardError => e
  warn "#{e.class}: #{e.message}"
  exit 1
end
