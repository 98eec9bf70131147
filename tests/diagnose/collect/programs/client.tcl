# tclsh client.tcl PORT CA
package require tls
proc said {what args} { puts stderr "$what $args"; if {$what eq "verify"} { return [lindex $args 3] } }
set s [tls::socket -cafile [lindex $argv 1] -require 1 -servername localhost -command said localhost [lindex $argv 0]]
if {[catch {tls::handshake $s} error]} { puts stderr $error; exit 1 }
