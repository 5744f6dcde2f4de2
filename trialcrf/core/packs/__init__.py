"""What is printed and sent of safety: reports, packs, figures and the documents of a serious event, each one frozen value."""
