#!/usr/bin/perl
# What only the Bot API server's user can do or see, for the bot, which is another one. Run under the server's user, with
# a socket of systemd's. Perl is on every Debian (perl-base), and needs no process for a chmod.
# Requests and answers end with a zero byte:
#   file <path>   lets the bot give a finished file a second name, and remove the server's own
#   peer <port>   says whether the server has taken up the bot's connection from this port
# The answer is "ok", or an error's name. Usage: api-helper.pl <the server's --dir> <its port>
use strict;
use warnings;
use Cwd qw(realpath);
use Fcntl qw(O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_RDONLY S_ISREG);
use Socket;

my ($folder, $port) = (realpath($ARGV[0]), $ARGV[1]);

# Linking another user's file takes reading and writing it, removing it takes writing its folder; TDLib makes both
# closed to its group. Whatever is not a finished file, such as the bot's session, is left alone. Others may read the
# file, since nginx will; up to then the folders above keep them out.
sub open_file {
    my ($path) = @_;
    my ($bot, $type, $name) = $path =~ m{\A\Q$folder\E/([^/]+)/([^/]+)/(file_[^/]+)\z} or return 'EINVAL';
    return 'EINVAL' if $type eq 'temp' or grep { /\A\.\.?\z/ } $bot, $type;
    return 'EINVAL' if -l "$folder/$bot";
    # What was opened and looked at is what changes: the bot may write the folder, and put a link in the file's place.
    sysopen my $types, "$folder/$bot/$type", O_RDONLY | O_DIRECTORY | O_NOFOLLOW or return failure();
    sysopen my $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return failure();
    return 'EINVAL' unless S_ISREG((stat $file)[2]);
    return chmod(0664, $file) && chmod(0770, $types) ? 'ok' : 'EPERM';
}

sub failure { return $!{ENOENT} ? 'ENOENT' : $!{ELOOP} || $!{ENOTDIR} ? 'EINVAL' : 'EACCES' }

# The kernel names a socket's owner, which here is seen as such when it is this very user. One that its program has not
# taken up yet has no inode.
sub find_peer {
    my ($from) = @_;
    return 'EINVAL' unless $from =~ /\A\d{1,5}\z/;
    my $ends = sprintf ' 0100007F:%04X 0100007F:%04X 01 ', $port, $from;
    open my $connections, '<', '/proc/self/net/tcp' or return 'EACCES';
    local $/ = "\n";
    while (my $line = <$connections>) {
        next if index($line, $ends) < 0;
        my ($uid, $inode) = (split ' ', $line)[7, 9];
        return $inode == 0 ? 'ENOTCONN' : $uid == $> ? 'ok' : 'EPERM';
    }
    return 'ENOTCONN';
}

sub serve {
    my ($connection) = @_;
    local $/ = "\0";
    while (my $request = <$connection>) {
        chomp $request;
        my ($verb, $argument) = $request =~ /\A(file|peer) (.*)\z/s;
        my $answer = !defined $verb ? 'EINVAL' : $verb eq 'file' ? open_file($argument) : find_peer($argument);
        syswrite $connection, "$answer\0";
    }
}

# sd_notify(3)
my ($notify, $limit) = delete @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC)};

sub tell_systemd {
    my ($word) = @_;
    return unless defined $notify;
    socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or return;
    send $socket, $word, 0, pack_sockaddr_un($notify =~ s/\A@/\0/r);
}

# sd_listen_fds(3): the first descriptor that systemd hands over. Each connection has a process: one that hangs, with its
# disk, holds up no other.
open my $listener, '+<&=', 3 or die "no socket: $!\n";
$SIG{CHLD} = 'IGNORE';
tell_systemd('READY=1');
while (1) {
    vec(my $waiting = '', fileno $listener, 1) = 1;
    my $found = select $waiting, undef, undef, $limit ? $limit / 1e6 / 3 : undef;
    tell_systemd('WATCHDOG=1');
    next unless $found > 0;
    accept my $connection, $listener or last;
    my $child = fork;
    next if !defined $child or $child;
    close $listener;
    serve($connection);
    exit;
}
