/* Counts and bytes for people. The caller frees the texts. */
#ifndef BF_BASE_QUANTITY_H
#define BF_BASE_QUANTITY_H

char *bf_quantity_count(double count); /* "0.4", "12", "1,234,567"; "?" when it is not a number */
char *bf_quantity_bytes(double bytes); /* "512 B", "3.5 GiB" (powers of 1024) */

#endif
