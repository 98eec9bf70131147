# tclsh client.tcl PORT CA
package require tls
proc said {what args} {
    if {$what eq "verify"} { puts stderr "verify [lrange $args 3 end]"; return [lindex $args 3] }
    if {$what eq "error"} { puts stderr "error [lrange $args 1 end]" }
}
set s [tls::socket -cafile [lindex $argv 1] -require 1 -servername localhost -command said localhost [lindex $argv 0]]
if {[catch {tls::handshake $s} error]} { puts stderr $error; exit 1 }
