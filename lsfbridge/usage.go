package lsfbridge

// usages are the texts after "Usage: "; each ends without a newline.
var usages = map[string]string{
	"bsub": `bsub [-h] [-V] [-x] [-H] [-r | -rn] [-K]
		[-P project_name] [-q "queue_name ..."] [-R "res_req"]
		[-g job_group_name] [-app application_profile_name]
		[-m "host_name[+[pref_level]] ..."]
		[-n min_processors[,max_processors]]
		[-J "job_name[index_list]%slot_limit"]
		[-b [[month:]day:]hour:minute] [-t [[month:]day:]hour:minute]
		[-i in_file | -is in_file] [-o out_file | -oo out_file]
		[-e err_file | -eo err_file] [-cwd directory]
		[-E "pre_exec_command"] [-Ep "post_exec_command"] [-L login_shell]
		[-W [hour:]minute] [-c [hour:]minute] [-M mem_limit] [-v swap_limit]
		[-p process_limit] [-T thread_limit] [-F file_limit] [-D data_limit]
		[-S stack_limit] [-C core_limit] [-w "depend_cond"]
		[-Q "exit_code ..."] [-sp job_priority] [-env "none | all [, ~name] [, name=value]"]
		[-ti] [-N] [-B] [-u mail_user] [-I | -Ip | -Is]
		[command [argument ...]]
   or: bsub -pack job_submission_file`,
	"bjobs": `bjobs [-h] [-V] [-w | -l | -UF | -X] [-a] [-d] [-p] [-s] [-r] [-A]
             [-m host_name] [-q queue_name] [-u user_name | -u all]
             [-P project_name] [-g job_group] [-app application_profile] [-J name_spec] [-noheader]
             [-o "field[:[-][width]] ... [delimiter='character']" [-json]]
             [jobId | "jobId[idxList]" ...]`,
	"bkill": `bkill [-h] [-V] [-l] [-m host_name] [-q queue_name] [-g job_group]
               [-u user_name | -u all] [0] [-r | -s sigval] [-J job_name] 
               [jobId | "jobId[index_list]"]...`,
	"bstop": `bstop [-h] [-V]  [-m host_name] [-q queue_name] [-g job_group]
               [-u user_name | -u all] [0] [-J job_name] 
               [jobId | "jobId[index_list]"]...`,
	"bresume": `bresume [-h] [-V]  [-m host_name] [-q queue_name] [-g job_group]
               [-u user_name | -u all] [0] [-J job_name] 
               [jobId | "jobId[index_list]"]...`,
	"brequeue": `brequeue [-deraH] [-h] [-V] [-u user_name | -u all]
                [-J name_spec] [jobId | "jobId[idxList]" ...]
 `,
	"bswitch": `bswitch [-h] [-V] [-q queue_name] [-u user_name |-u all] [-m host_name]
               [-g job_group] [-J job_name] dest_queue [jobId |  "jobId[idxList]" ...]`,
	"bapp":  `bapp [-h] [-V] [-l | -w] [-alloc] [application_profile ...]`,
	"bgadd": `bgadd [-h] [-V] [-L limit] job_group_name`,
	"bgmod": `bgmod [-h] [-V] [-L limit | -Ln] job_group_name`,
	"bgdel": `bgdel [-h] [-V] [-u user_name | -u all] job_group_name | 0
       bgdel -c job_group_name`,
	"bjgroup": `bjgroup [-h] [-V] [-N] [-s [group_name]]`,
	"brun":    `brun [ -h ] [ -V ] [ -f ] [ -b ] -m host_name ... jobId | "jobId[index]"`,
	"btop":    `btop [-h] [-V] jobId | "jobId[index]" [position]`,
	"bbot":    `bbot [-h] [-V] jobId | "jobId[index]" [position]`,
	"bparams": `bparams [-h] [-V] [-l]`,
	"busers":  `busers [-h] [-V] [user_name ...] [all]`,
	"bpeek": `bpeek [-h] [-V] [-f] [-m host_name | -q queue_name |
        -J job_name | jobId | "jobId[index]"]`,
	"bwait": `bwait [-h] [-V] -w "wait_condition" [-t timeout] [-r rereg_interval]`,
	"bmod": `bmod [-h] [-V] [-x | -xn]
		[-r | -rn] [-W [hour:]minute | -Wn]
		[-P project_name | -Pn] [-g job_group_name | -gn]
		[-app application_profile_name | -appn]
		[-w depend_cond | -wn] [-R res_req | -Rn] [-J job_name | -Jn]
		[-q queue_name]
		[-m host_name[+[pref_level]] ... | -mn]
		[-n min_processors[,max_processors] | -nn]
		[-b begin_time | -bn] [-t term_time | -tn]
		[-i in_file | -is in_file | -in | -isn]
		[-o out_file | -oo out_file | -on] [-e err_file | -eo err_file | -en]
		[-c [hour:]minute | -cn] [-M mem_limit | -Mn] [-v swap_limit | -vn]
		[-p process_limit | -pn] [-T thread_limit | -Tn] [-F file_limit | -Fn]
		[-D data_limit | -Dn] [-S stack_limit | -Sn] [-C core_limit | -Cn]
		[-E "pre_exec_command" | -En] [-Ep "post_exec_command" | -Epn]
		[-L login_shell | -Ln] [-sp job_priority | -spn] [-Z "new_command"]
		jobId`,
	"bhist": `bhist [-h] [-V] [-l] [-b] [-w] [-a] [-d] [-e] [-p] [-s] [-r] 
             [-n num_logfiles]
             [-C time0,time1] [-S time0,time1] [-D time0,time1]
             [-P project_name]
             [-q queue_name] [-m host_name] [-J job_name]
             [-u user_name | -u all] [jobId | "jobId[index]" ...]
       bhist [-h] [-V] -t [-T time0,time1]`,
	"bacct": `bacct [-h] [-V] [-l] [-b] [-w] [-d] [-e]
             [-C time0,time1] [-S time0,time1] [-D time0,time1]
             [-u user_name ... | -u all] [-q queue_name ...] [-P project_name ...]
             [-m host_name ...] [jobId | "jobId[index]" ...]`,
	"bqueues": `bqueues [-h] [-V] [-w | -l] [-m host_name]
 [-u user_name] [queue_name ...]`,
	"bhosts": `
bhosts [-h] [-V] [-w | -l] [host_name ...]`,
	"lshosts": `lshosts [-h] [-V] [-w | -l] [host_name ...]
or
 lshosts [-h] [-V] -s [static_resource_name ...]`,
	"lsload": `
lsload [-h] [-V] [-N|-E] [-l | -w] [-I index_list] [-n num_hosts] [host_name ...]
or
lsload [-h] [-V] -s [ shared_resource_name ... ]`,
	"lsid": `lsid [-h] [-V]`,
}

// Usage is the text that a command answers -h and wrong options with, for standard error.
func Usage(command string) string {
	if command == "badmin" {
		return adminUsage()
	}
	if text := usages[command]; text != "" && text[0] == '\n' {
		return "Usage:" + text + "\n"
	}
	return "Usage: " + usages[command] + "\n"
}
