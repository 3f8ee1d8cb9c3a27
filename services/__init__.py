"""calldock's code: three services and the command line. What they promise lies in protos/."""
