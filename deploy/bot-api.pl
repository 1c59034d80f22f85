#!/usr/bin/perl
# Starts the Bot API server, which tells systemd nothing by itself, and speaks for it: ready when the server answers, alive as
# long as it goes on to. Any answer will do: it gives some without Telegram, too. Usage: bot-api.pl <its port> <program> …
use strict;
use warnings;
use POSIX ();
use Socket;

my ($port, @program) = @ARGV;
my ($notify, $limit) = delete @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC)};
# Seconds between two beats, and for one answer, which takes milliseconds.
my ($interval, $patience) = (($limit // 0) / 1e6 / 9, 10);

# Seconds that no setting of the clock changes.
my $ticks = POSIX::sysconf(&POSIX::_SC_CLK_TCK);
sub steady_now { return (POSIX::times())[0] / $ticks }

# setpriv(1) can do this, too, but not without the right to set capabilities.
my $prctl = { x86_64 => 157, aarch64 => 167 }->{(POSIX::uname())[4]} // die "unknown machine\n";

# sd_notify(3)
sub tell_systemd {
    my ($word) = @_;
    return unless defined $notify;
    socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or return;
    send $socket, $word, 0, pack_sockaddr_un($notify =~ s/\A@/\0/r);
}

sub answers {
    my $answer = '';
    eval {
        local $SIG{ALRM} = sub { die "no answer\n" };
        alarm $patience;
        socket my $socket, AF_INET, SOCK_STREAM, 0 or die "no socket\n";
        connect $socket, pack_sockaddr_in($port, INADDR_LOOPBACK) or die "no connection\n";
        # Of no bot that there is: answered with 401, by the part of the server that all calls pass.
        syswrite $socket, "GET /bot0:0/getMe HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
        sysread $socket, $answer, 5;
        alarm 0;
    };
    alarm 0;
    return $answer eq 'HTTP/';
}

# It is asked to end once: a second signal would cut its end short. Nothing outlives this program, which holds the port.
my $server;
$SIG{$_} = sub { kill TERM => $server } for qw(TERM INT);
$SIG{CHLD} = sub { };
$server = fork // die "no child: $!\n";
if (!$server) {
    # prctl(PR_SET_PDEATHSIG, SIGKILL)
    syscall($prctl, 1, 9) == 0 or die "prctl: $!\n";
    exec { $program[0] } @program or POSIX::_exit(127);
}

my ($word, $next) = ('READY=1', 0);
until (waitpid($server, POSIX::WNOHANG) == $server) {
    if (steady_now() >= $next) {
        my $is_alive = answers();
        tell_systemd($word) if $is_alive;
        ($word, $next) = ('WATCHDOG=1', steady_now() + $interval) if $is_alive;
    }
    select undef, undef, undef, $word eq 'READY=1' ? 0.1 : 1;
}
exit(($? >> 8) || ($? ? 1 : 0));
