#!/usr/bin/perl
# Becomes a program that finds, as descriptor $NOTIFY_FD, the socket on which systemd hears it: Node has no UNIX datagrams,
# but can write. So the program speaks for itself, and none of its children can. Usage: notify-fd.pl <program> [argument …]
use strict;
use warnings;
use Socket;

my ($path, $socket) = $ENV{NOTIFY_SOCKET};
if ($path) {
    # Up to this number a descriptor stays open in the program.
    $^F = 255;
    socket $socket, AF_UNIX, SOCK_DGRAM, 0 or die "no socket: $!\n";
    connect $socket, pack_sockaddr_un($path =~ s/\A@/\0/r) or die "$path: $!\n";
    $ENV{NOTIFY_FD} = fileno $socket;
}
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
