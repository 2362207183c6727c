#include "CShims.h"
#include <malloc.h>

/* Blocks of a batch's size (up to some MiB) come and go all the time: by default each is mapped, cleared by the kernel and unmapped again,
   which took a sixth of a rollup's time. Keep them in the heap; give the top of it back only when much is free. One arena, so that
   what one thread freed serves the others. */
void tally_tune_allocator(void) {
  mallopt(M_MMAP_THRESHOLD, 16 << 20);
  mallopt(M_TRIM_THRESHOLD, 96 << 20);
  mallopt(M_TOP_PAD, 4 << 20);
  mallopt(M_ARENA_MAX, 1);
}
