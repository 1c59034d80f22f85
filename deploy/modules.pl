#!/usr/bin/perl
# Prints the files of app/ that a role can load, one a line; run in the folder of a release. A role follows every import,
# also those that are made later by import(), but for what is another role's by its name: import() of a bot.ts is the bot's,
# of a web.ts the web role's. A file that no role reaches may be anybody's. The roles are those of the release's units.
# Usage: modules.pl <role>
use strict;
use warnings;

my ($role) = @ARGV;
my %own = map { $_ => "$_.ts" } roles_of('systemd/manifest');
die 'usage: modules.pl ' . join('|', sort keys %own) . "\n" unless defined $role and $own{$role};

sub roles_of {
    my ($manifest) = @_;
    open my $lines, '<', $manifest or die "$manifest: $!\n";
    return map { /\brelease:([a-z-]+)/g } grep { !/^#/ } <$lines>;
}

# The files that others load, and those that only one role does when it asks for them. import type leaves no trace at run time.
my %imports;
sub imports_of {
    my ($file) = @_;
    return @{$imports{$file}} if $imports{$file};
    open my $source, '<', $file or die "$file: $!\n";
    local $/;
    my $text = <$source>;
    # Its name is known at run time only.
    die "$file: import() of what is no plain name\n" if $text =~ /\bimport\((?!')/;
    my @found;
    while ($text =~ /^(?:import|export)\s+(type\s)?[^'"`;]*?\bfrom\s+'(\.[^']+)'|^import\s+'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm) {
        my ($type, $lazy) = ($1, $4);
        push @found, [path_of($file, $2 // $3 // $4), defined $lazy] unless $type;
    }
    $imports{$file} = \@found;
    return @found;
}

sub path_of {
    my ($from, $to) = @_;
    my @path = split m{/}, $from;
    pop @path;
    for my $part (split m{/}, $to) {
        if ($part eq '..') { pop @path }
        elsif ($part ne '.') { push @path, $part }
    }
    return join '/', @path;
}

sub reached_by {
    my ($mine) = @_;
    my %others = map { $own{$_} => 1 } grep { $_ ne $mine } keys %own;
    my (%reached, @open);
    @open = ('app/main.ts');
    while (defined(my $file = shift @open)) {
        next if $reached{$file}++;
        for my $import (imports_of($file)) {
            my ($path, $is_lazy) = @$import;
            push @open, $path unless $is_lazy and $others{$path =~ s{.*/}{}r};
        }
    }
    return \%reached;
}

sub files_below {
    my ($folder) = @_;
    opendir my $entries, $folder or die "$folder: $!\n";
    return map { -d "$folder/$_" ? files_below("$folder/$_") : "$folder/$_" } sort grep { !/\A\.\.?\z/ } readdir $entries;
}

my %reached = map { $_ => reached_by($_) } keys %own;
for my $file (files_below('app')) {
    my $is_anybodys = !grep { $reached{$_}{$file} } keys %own;
    print "$file\n" if $reached{$role}{$file} or $is_anybodys;
}
