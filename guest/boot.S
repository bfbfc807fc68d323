/*
 * The boot sector. The BIOS loads it at 0x7c00 with the boot drive's number in %dl; it loads the
 * rest of the image behind itself, enters 32-bit protected mode with flat segments and calls main.
 */
    .section .boot, "ax"
    .code16
    .globl start
start:
    cli
    ljmp    $0, $1f
1:  xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $start, %sp

    movb    $0x42, %ah              /* BIOS: extended read */
    movw    $address_packet, %si
    int     $0x13
    jc      halt

    inb     $0x92, %al              /* A20: memory above 1 MiB */
    orb     $2, %al
    andb    $0xfe, %al
    outb    %al, $0x92

    lgdt    gdt_register
    movl    %cr0, %eax
    orb     $1, %al
    movl    %eax, %cr0
    ljmp    $8, $protected

halt:
    hlt
    jmp     halt

    .code32
protected:
    movw    $16, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %fs
    movw    %ax, %gs
    movw    %ax, %ss
    movl    $0x90000, %esp
    cld
    movl    $bss_start, %edi
    movl    $bss_end, %ecx
    subl    %edi, %ecx
    xorl    %eax, %eax
    rep stosb
    call    main
1:  hlt
    jmp     1b

    .balign 8
gdt:
    .quad   0
    .quad   0x00cf9a000000ffff      /* code: all 4 GiB */
    .quad   0x00cf92000000ffff      /* data: all 4 GiB */
gdt_register:
    .word   . - gdt - 1
    .long   gdt

address_packet:
    .byte   16, 0
    .word   sectors_after_first
    .word   0x7e00, 0               /* to 0000:7e00 */
    .quad   1                       /* from sector 1 on */
