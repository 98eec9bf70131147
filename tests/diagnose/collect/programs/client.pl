# perl client.pl PORT CA lwp|socket
use strict; use warnings;
my ($port, $ca, $way) = @ARGV;
if ($way eq 'lwp') {
    require LWP::UserAgent;
    my $got = LWP::UserAgent->new(ssl_opts => { SSL_ca_file => $ca })->get("https://localhost:$port/");
    exit 0 if $got->is_success;
    print STDERR $got->status_line, "\n", $got->decoded_content;
} else {
    require IO::Socket::SSL;
    my $socket = IO::Socket::SSL->new(PeerAddr => "localhost:$port", SSL_ca_file => $ca, SSL_verify_mode => 1);
    exit 0 if $socket;
    no warnings 'once';
    print STDERR "$!, $IO::Socket::SSL::SSL_ERROR\n";
}
exit 1;
