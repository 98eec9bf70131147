// mcs Client.cs; mono Client.exe PORT (the authority is in the user's store: cert-sync --user)
using System;
using System.Net;

class Program {
    static int Main(string[] words) {
        try {
            using (var answer = WebRequest.Create("https://localhost:" + words[0] + "/").GetResponse()) { }
            return 0;
        } catch (Exception error) {
            Console.Error.WriteLine(error);
            return 1;
        }
    }
}
