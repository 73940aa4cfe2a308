"""First-boot files on a freshly flashed card of Raspberry Pi OS, so that a box enrols itself at first power-on."""
