/* Where there is no memory for them, libraries give NULL, and what was being made of it is half there. */
#ifndef BF_DAEMON_MEMORY_H
#define BF_DAEMON_MEMORY_H

/* From now on jansson and libuv ask for memory as everybody here does: where there is none the process ends, with a word (see
 * allocate.h). Before either is used. */
void bf_memory_begin(void);

#endif
