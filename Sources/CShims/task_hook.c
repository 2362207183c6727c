// task_hook.c — where the Swift runtime keeps its hook for jobs that go to the global pool, also when the runtime is linked in and the name
// is not among the dynamic ones. Weak: programs without Swift's concurrency have none.
#include "CShims.h"

extern void *swift_task_enqueueGlobal_hook __attribute__((weak));

void *tally_task_hook(void) { return &swift_task_enqueueGlobal_hook; }
