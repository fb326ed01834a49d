/* The cheapest program there is: ends at once with 0. What `start` gives the supervisors to run. */
void _start(void)
{
#if defined(__x86_64__)
    __asm__ volatile("mov $60, %eax; xor %edi, %edi; syscall");
#elif defined(__aarch64__)
    __asm__ volatile("mov x8, #93; mov x0, #0; svc #0");
#else
#error "which system call is exit here?"
#endif
}
