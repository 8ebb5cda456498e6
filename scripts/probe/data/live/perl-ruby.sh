# task: run the old report script
# needs: perl

printf 'use strict; use warnings;\nmy %%c; while (<>) { $c{$_}++ for split } print "$_ $c{$_}\\n" for sort keys %%c;\n' > report.pl
printf 'a b a\n' > words.txt
perl report.pl words.txt
perl -c report.pl
perl -e 'print "hi\n"'
perl -MFile::Path=remove_tree -e 'mkdir "x"; remove_tree("x")'
perl -i.orig -pe 's/a/z/' words.txt
perl -MPOSIX -le 'print floor(3.7)'
prove --version || true
rm -f words.txt.orig
